"""Drives the simulator with Stripe's official Python client.

`subscribe` makes a customer, a price and a subscription; `verify` checks a delivered webhook.
Each reads one JSON object from standard input and writes one to standard output.
"""

import json
import sys

import stripe


def subscribe(request: dict) -> dict:
    client = stripe.StripeClient(
        "sk_test_python0000000000", base_addresses={"api": request["api_base"]}
    )
    customer = client.v1.customers.create(
        {
            "email": request["email"],
            "payment_method": "pm_card_visa",
            "invoice_settings": {"default_payment_method": "pm_card_visa"},
        }
    )
    product = client.v1.products.create({"name": "Pro"})
    price = client.v1.prices.create(
        {
            "product": product.id,
            "unit_amount": 2900,
            "currency": "usd",
            "recurring": {"interval": "month"},
        }
    )
    subscription = client.v1.subscriptions.create(
        {
            "customer": customer.id,
            "items": [{"price": price.id}],
            "expand": ["latest_invoice"],
        }
    )
    assert subscription.latest_invoice.status == "paid"
    listed = client.v1.subscriptions.list({"customer": customer.id})
    assert [one.id for one in listed.auto_paging_iter()] == [subscription.id]
    return {
        "subscription": subscription.id,
        "status": subscription.status,
        "declined": code_of(stripe.CardError, lambda: decline(client, customer.id)),
        "missing": code_of(
            stripe.InvalidRequestError,
            lambda: client.v1.customers.retrieve("cus_none"),
        ),
    }


def decline(client: stripe.StripeClient, customer: str) -> None:
    client.v1.payment_methods.attach("pm_card_visa_chargeDeclined", {"customer": customer})


def code_of(kind: type, act) -> str:
    try:
        act()
    except kind as error:
        return error.code
    raise AssertionError(f"expected {kind.__name__}")


def verify(delivery: dict) -> dict:
    body, header, secret = delivery["body"], delivery["header"], delivery["secret"]
    event = stripe.Webhook.construct_event(body, header, secret)
    try:
        stripe.Webhook.construct_event(body.replace("active", "paused"), header, secret)
        forged_is_refused = False
    except stripe.SignatureVerificationError:
        forged_is_refused = True
    return {
        "id": event.id,
        "subscription": event.data.object.id,
        "forged_is_refused": forged_is_refused,
    }


if __name__ == "__main__":
    command = {"subscribe": subscribe, "verify": verify}[sys.argv[1]]
    json.dump(command(json.load(sys.stdin)), sys.stdout)
