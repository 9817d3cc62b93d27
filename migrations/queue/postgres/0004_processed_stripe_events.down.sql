drop table processed_stripe_events;
