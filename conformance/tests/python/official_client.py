"""Drives the simulator with Stripe's official Python client.

`subscribe` makes a customer, a price and a subscription; `sell` goes through a first payment, hosted
checkout and the portal; `retry` meets failures; `verify` checks a delivered webhook.
Each reads one JSON object from standard input and writes one to standard output.
"""

import json
import sys

import stripe


def connect(request: dict, key: str = "sk_test_python0000000000", **options) -> stripe.StripeClient:
    return stripe.StripeClient(key, base_addresses={"api": request["api_base"]}, **options)


def subscribe(request: dict) -> dict:
    client = connect(request)
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


def sell(request: dict) -> dict:
    client = connect(request)
    customer = client.v1.customers.create({"email": request["email"]})
    product = client.v1.products.create({"name": "Pro"})
    prices = [monthly(client, product.id, amount) for amount in (2900, 7900)]
    waiting = client.v1.subscriptions.create(
        {
            "customer": customer.id,
            "items": [{"price": prices[0].id}],
            "payment_behavior": "default_incomplete",
            "payment_settings": {"save_default_payment_method": "on_subscription"},
            "expand": ["latest_invoice.confirmation_secret"],
        }
    )
    secret = waiting.latest_invoice.confirmation_secret.client_secret
    browser = connect(request, "pk_test_python0000000000")
    intent = browser.v1.payment_intents.confirm(
        secret.split("_secret_")[0], {"client_secret": secret, "payment_method": "pm_card_visa"}
    )
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": customer.id,
            "line_items": [{"price": prices[1].id, "quantity": 1}],
            "success_url": "https://example.com/done?session={CHECKOUT_SESSION_ID}",
            "subscription_data": {"metadata": {"tier": "pro_plus"}},
        }
    )
    expired = client.v1.checkout.sessions.expire(session.id)
    features = {
        "subscription_cancel": {"enabled": True},
        "subscription_update": {
            "enabled": True,
            "default_allowed_updates": ["price"],
            "products": [{"product": product.id, "prices": [price.id for price in prices]}],
        },
    }
    client.v1.billing_portal.configurations.create({"features": features})
    portal = client.v1.billing_portal.sessions.create(
        {"customer": customer.id, "return_url": "https://example.com"}
    )
    walked = client.v1.prices.list({"product": product.id, "limit": 1}).auto_paging_iter()
    return {
        "before": waiting.status,
        "intent": intent.status,
        "after": client.v1.subscriptions.retrieve(waiting.id).status,
        "checkout": session.url,
        "expired": expired.status,
        "portal": portal.url,
        "walked": len(list(walked)),
    }


def monthly(client: stripe.StripeClient, product: str, amount: int) -> stripe.Price:
    recurring = {"interval": "month"}
    return client.v1.prices.create(
        {"product": product, "unit_amount": amount, "currency": "usd", "recurring": recurring}
    )


def retry(request: dict) -> dict:
    client = connect(request, max_network_retries=2)
    customer = client.v1.customers.create({"email": request["email"]})
    again = [
        client.v1.customers.create({"email": "grace@example.com"}, {"idempotency_key": "key-1"})
        for _ in range(2)
    ]
    return {
        "customer": customer.id,
        "replayed": [one.last_response.headers.get("Idempotent-Replayed") for one in again],
        "same": again[0].id == again[1].id,
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
    commands = {"subscribe": subscribe, "sell": sell, "retry": retry, "verify": verify}
    command = commands[sys.argv[1]]
    json.dump(command(json.load(sys.stdin)), sys.stdout)
