//! The worker of one endpoint: sends, records, and parks what failed until its next attempt.

use std::collections::BTreeMap;
use std::time::Instant;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use super::{Delivery, DeliveryDesk, Destination, Parcel};
use crate::simulator::signing::signature_header;
use crate::simulator::world::unix_time;

/// A parcel that failed, by the time of its next attempt (and a number, for those of the same moment).
type Parked = BTreeMap<(tokio::time::Instant, u64), (Parcel, u32)>;

struct Worker {
    desk: DeliveryDesk,
    destination: Destination,
    in_flight: JoinSet<(Parcel, Delivery)>,
    parked: Parked,
    parks: u64,
}

pub(super) async fn run(
    desk: DeliveryDesk,
    destination: Destination,
    mut parcels: UnboundedReceiver<Parcel>,
) {
    let mut worker = Worker {
        desk,
        destination,
        in_flight: JoinSet::new(),
        parked: Parked::new(),
        parks: 0,
    };
    let mut open = true;
    while open || !worker.parked.is_empty() || !worker.in_flight.is_empty() {
        let free = worker.in_flight.len() < worker.desk.policy.concurrency.max(1);
        let next_retry = worker.parked.keys().next().map(|(at, _)| *at);
        tokio::select! {
            biased;
            Some(done) = worker.in_flight.join_next() => {
                if let Ok((parcel, delivery)) = done {
                    worker.finish(parcel, delivery);
                }
            }
            () = sleep_until(next_retry), if free && next_retry.is_some() => worker.retry_first(),
            parcel = parcels.recv(), if free && open => match parcel {
                Some(parcel) => worker.start(parcel, 1),
                None => open = false,
            },
        }
    }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}

impl Worker {
    fn start(&mut self, parcel: Parcel, attempt: u32) {
        let attempt = send(
            self.desk.client.clone(),
            self.destination.clone(),
            parcel,
            attempt,
        );
        self.in_flight.spawn(attempt);
    }

    fn retry_first(&mut self) {
        if let Some((_, (parcel, failed))) = self.parked.pop_first() {
            self.desk.backlog.send_modify(|backlog| {
                backlog.waiting -= 1;
                backlog.active += 1;
            });
            self.start(parcel, failed + 1);
        }
    }

    fn finish(&mut self, parcel: Parcel, delivery: Delivery) {
        let (attempt, acknowledged) = (delivery.attempt, delivery.is_acknowledged());
        self.desk.record(delivery);
        let again = !acknowledged && attempt < self.desk.policy.max_attempts;
        if again {
            self.parks += 1;
            let at = tokio::time::Instant::now() + self.desk.policy.wait_after(attempt);
            self.parked.insert((at, self.parks), (parcel, attempt));
        }
        self.desk.backlog.send_modify(|backlog| {
            backlog.active -= 1;
            backlog.waiting += usize::from(again);
        });
    }
}

async fn send(
    client: reqwest::Client,
    destination: Destination,
    parcel: Parcel,
    attempt: u32,
) -> (Parcel, Delivery) {
    let started = Instant::now();
    let signature = signature_header(&destination.secret, unix_time(), parcel.body.as_bytes());
    let request = client
        .post(&destination.url)
        .header("Content-Type", "application/json; charset=utf-8")
        .header("Cache-Control", "no-cache")
        .header("Stripe-Signature", signature)
        .body(parcel.body.clone());
    let (outcome, response_body) = match request.send().await {
        Ok(response) => {
            let status = response.status().as_u16();
            (Ok(status), response.text().await.unwrap_or_default())
        }
        Err(error) => (Err(error.to_string()), String::new()),
    };
    let delivery = Delivery {
        event_id: parcel.event_id.clone(),
        event_type: parcel.event_type.clone(),
        event_created: parcel.event_created,
        object_id: parcel.object_id.clone(),
        customer_id: parcel.customer_id.clone(),
        endpoint_url: destination.url,
        attempt,
        outcome,
        response_body,
        duration: started.elapsed(),
    };
    (parcel, delivery)
}
