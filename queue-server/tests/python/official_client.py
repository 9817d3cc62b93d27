"""Makes the calls that Queue makes, with Stripe's official Python client.

Reads one JSON object from standard input and writes what each call came to, one word each.
"""

import json
import sys

import stripe


def word_of(call) -> str:
    try:
        return call().id
    except stripe.StripeError as error:
        return type(error).__name__


def main() -> None:
    request = json.load(sys.stdin)
    client = stripe.StripeClient(
        request["key"],
        stripe_version=request["version"],
        base_addresses={"api": request["api_base"]},
        max_network_retries=2,
    )
    key = {"idempotency_key": "queue-" + request["claim"] + "-customer"}
    told = []

    def tell(call) -> str:
        told.append(word_of(call))
        return told[-1]

    def create():
        return client.v1.customers.create({"metadata": {"queue_customer_id": "jenny"}}, key)

    customer = tell(create)
    for _ in range(request["failures"]):
        tell(create)
    price = request["price"]
    tell(lambda: client.v1.prices.retrieve(price))
    tell(lambda: client.v1.prices.retrieve("price_none"))
    secret = "latest_invoice.confirmation_secret"
    subscription = tell(
        lambda: client.v1.subscriptions.create(
            {
                "customer": customer,
                "items": [{"price": price}],
                "payment_behavior": "default_incomplete",
                "payment_settings": {"save_default_payment_method": "on_subscription"},
                "metadata": {"queue_customer_id": "jenny", "queue_claim": request["claim"]},
                "expand": [secret],
            }
        )
    )
    expand = ["discounts", "items.data.discounts", secret]
    tell(lambda: client.v1.subscriptions.retrieve(subscription, {"expand": expand}))
    tell(lambda: client.v1.subscriptions.list({"customer": customer, "limit": 100}).data[0])
    made = client.v1.subscriptions.retrieve(subscription, {"expand": expand})
    tell(lambda: client.v1.invoices.void_invoice(made.latest_invoice.id))
    tell(
        lambda: client.v1.checkout.sessions.create(
            {
                "mode": "subscription",
                "customer": customer,
                "line_items": [{"price": price, "quantity": 1}],
                "success_url": "https://app.example.com/done",
                "cancel_url": "https://app.example.com/plans",
                "metadata": {"queue_claim": request["claim"]},
                "subscription_data": {
                    "metadata": {"queue_customer_id": "jenny", "queue_claim": request["claim"]}
                },
            }
        )
    )
    session = told[-1]
    tell(lambda: client.v1.checkout.sessions.retrieve(session))
    tell(lambda: client.v1.checkout.sessions.expire(session))
    tell(lambda: client.v1.checkout.sessions.expire(session))
    tell(lambda: client.v1.events.list({"limit": 100}).data[0])
    json.dump(told, sys.stdout)


main()
