"""Generates a client from the description of a server, and drives the server with it.

    python generated_client.py URL TOKEN

The client goes into the current folder.
"""

import importlib
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path

NAME = "generated"


def generate(url: str) -> None:
    Path("generator.yaml").write_text("post_hooks: []\n")
    generator = [sys.executable, "-m", "openapi_python_client", "generate"]
    options = ["--meta", "none", "--config", "generator.yaml", "--output-path", NAME]
    description = f"{url}/api/openapi.json"
    subprocess.run([*generator, "--fail-on-warning", *options, "--url", description], check=True)
    sys.path.insert(0, ".")


def part(name: str):
    return importlib.import_module(f"{NAME}.{name}")


def drive(url: str, token: str) -> None:
    models = part("models")
    anyone = part("client").Client(base_url=url)
    service = part("client").AuthenticatedClient(base_url=url, token=token)
    jenny = service.with_headers({"X-Queue-Customer-Id": "jenny"})

    register = part("api.customers.register_customer").sync
    made = register("jenny", client=service)
    assert made.outcome == models.RegistrationOutcome.APPLIED, made
    again = register("jenny", client=service)
    assert again.outcome == models.RegistrationOutcome.DUPLICATE, again
    refused = register("stripe:cus_1", client=service)
    assert isinstance(refused, models.Problem), refused
    assert refused.code == "customer_id_invalid", refused

    read = part("api.customers.read_customer").sync_detailed
    record = read("jenny", client=service).parsed
    assert record.access.decision == models.GateDecision.NOT_ENTITLED, record
    assert record.mirror.status == models.MirrorStatus.NONE, record
    assert record.mirror.current_period_end is None, record
    assert record.mirror.updated_at.tzinfo is not None, record
    nobody = read("nobody/at all", client=service)
    assert nobody.parsed.code == "customer_id_invalid", nobody
    nobody = read("nobody/at+all", client=service)
    assert nobody.status_code == HTTPStatus.NOT_FOUND, nobody
    assert nobody.parsed.code == "customer_unknown", nobody
    # Who has no token gets another answer, also in the description.
    stranger = part("client").AuthenticatedClient(base_url=url, token="none")
    assert read("jenny", client=stranger).parsed.code == "unauthenticated"

    happened = part("api.customers.list_happenings").sync("jenny", client=service, limit=1)
    assert happened.data[0].subject, happened
    found = part("api.customers.list_customers").sync(client=service, search="jen").data
    assert [one.queue_customer_id for one in found] == ["jenny"], found
    rows = part("api.operations.list_mirror_rows").sync(client=service).data
    assert [row.queue_customer_id for row in rows] == ["jenny"], rows

    plans = part("api.subscribing.list_plans").sync(client=anyone).plans
    assert [plan.plan_tier for plan in plans] == ["free", "pro", "pro_plus"], plans
    subscribe = part("api.subscribing.subscribe").sync
    subscribed = subscribe(client=jenny, body=models.Subscribe(plan_tier="pro"))
    assert subscribed.subscription_id.startswith("sub_"), subscribed
    unknown = subscribe(client=jenny, body=models.Subscribe(plan_tier="gold"))
    assert unknown.code == "plan_unknown", unknown
    me = part("api.subscribing.read_me").sync(client=jenny)
    assert (me.queue_customer_id, me.status) == ("jenny", "incomplete"), me

    ready = part("api.probes.read_readiness").sync(client=anyone)
    assert ready.billing == models.Switch.ON, ready


if __name__ == "__main__":
    generate(sys.argv[1])
    drive(sys.argv[1], sys.argv[2])
