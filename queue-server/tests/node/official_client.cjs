// Makes the calls that Queue makes, with Stripe's official client for Node.js, which the first argument names.
//
// Reads one JSON object from standard input and writes what each call came to, one word each.

"use strict";

const { readFileSync } = require("node:fs");

const Stripe = require(process.argv[2]);

async function main() {
  const request = JSON.parse(readFileSync(0, "utf8"));
  const { protocol, hostname, port } = new URL(request.api_base);
  const stripe = new Stripe(request.key, {
    apiVersion: request.version,
    protocol: protocol.replace(":", ""),
    host: hostname,
    port,
    maxNetworkRetries: 2,
    telemetry: false,
  });
  const told = [];

  async function tell(call) {
    try {
      told.push((await call()).id);
    } catch (error) {
      if (!(error instanceof Stripe.errors.StripeError)) throw error;
      told.push(error.type.replace(/^Stripe/, ""));
    }
    return told.at(-1);
  }

  const create = () =>
    stripe.customers.create(
      { metadata: { queue_customer_id: "jenny" } },
      { idempotencyKey: `queue-${request.claim}-customer` },
    );
  const customer = await tell(create);
  for (let n = 0; n < request.failures; n += 1) await tell(create);

  const { price } = request;
  await tell(() => stripe.prices.retrieve(price));
  await tell(() => stripe.prices.retrieve("price_none"));

  const secret = "latest_invoice.confirmation_secret";
  const subscription = await tell(() =>
    stripe.subscriptions.create({
      customer,
      items: [{ price }],
      payment_behavior: "default_incomplete",
      payment_settings: { save_default_payment_method: "on_subscription" },
      metadata: { queue_customer_id: "jenny", queue_claim: request.claim },
      expand: [secret],
    }),
  );
  const expand = ["discounts", "items.data.discounts", secret];
  await tell(() => stripe.subscriptions.retrieve(subscription, { expand }));
  await tell(async () => (await stripe.subscriptions.list({ customer, limit: 100 })).data[0]);
  const made = await stripe.subscriptions.retrieve(subscription, { expand });
  await tell(() => stripe.invoices.voidInvoice(made.latest_invoice.id));

  const session = await tell(() =>
    stripe.checkout.sessions.create({
      mode: "subscription",
      customer,
      line_items: [{ price, quantity: 1 }],
      success_url: "https://app.example.com/done",
      cancel_url: "https://app.example.com/plans",
      metadata: { queue_claim: request.claim },
      subscription_data: {
        metadata: { queue_customer_id: "jenny", queue_claim: request.claim },
      },
    }),
  );
  await tell(() => stripe.checkout.sessions.retrieve(session));
  await tell(() => stripe.checkout.sessions.expire(session));
  await tell(() => stripe.checkout.sessions.expire(session));
  await tell(async () => (await stripe.events.list({ limit: 100 })).data[0]);
  // The client's timers for answers that came long ago would keep the process for 80 s.
  process.stdout.write(JSON.stringify(told), () => process.exit(0));
}

main();
