"""What schemathesis can't know of the server: Stripe's signature, what is sold, and which codes each status has."""

import hashlib
import hmac
import os
import time

import schemathesis
from schemathesis import GenerationMode
from schemathesis.core.parameters import ParameterLocation

PROBLEM = "application/problem+json"
URL = "https://app.example.com/billing"
# What the server of the test sells, and where it sends customers back to.
KNOWN = {"plan_tier": "pro", "success_url": URL, "cancel_url": URL, "return_url": URL}


def sign(request):
    """Signs the very bytes that are sent, as Stripe does."""
    body = request.body or b""
    body = body if isinstance(body, bytes) else body.encode()
    at = str(int(time.time()))
    secret = os.environ["STRIPE_WEBHOOK_SECRET"].encode()
    code = hmac.new(secret, at.encode() + b"." + body, hashlib.sha256).hexdigest()
    request.headers["Stripe-Signature"] = f"t={at},v1={code}"
    return request


def is_as_described(case, location) -> bool:
    component = case.meta.components.get(location) if case.meta else None
    return component is not None and component.mode == GenerationMode.POSITIVE


@schemathesis.hook
def before_call(context, case, kwargs):
    if not is_as_described(case, ParameterLocation.BODY):
        return
    headers = case.headers or {}
    if case.operation.path.endswith("/webhook") and "Stripe-Signature" in headers:
        kwargs["auth"] = sign
        # To a schema 1.0 is an integer. Stripe does not write one like that, and Queue takes none.
        if isinstance(case.body.get("created"), float):
            case.body["created"] = int(case.body["created"])
    elif isinstance(case.body, dict):
        case.body.update({name: value for name, value in KNOWN.items() if name in case.body})


@schemathesis.check
def codes_are_documented(context, response, case):
    """A problem is one of the examples of its status, word for word."""
    kind = response.headers.get("content-type", [""])[0]
    if kind != PROBLEM or response.status_code == 405:
        return
    responses = case.operation.definition.raw["responses"]
    documented = responses[str(response.status_code)]["content"][PROBLEM]["examples"]
    problem = response.json()
    assert problem["code"] in documented, f"{problem['code']} is not among {sorted(documented)}"
    examples = case.operation.schema.raw_schema["components"]["examples"]
    assert problem == examples[problem["code"]]["value"], problem
    assert problem["status"] == response.status_code
