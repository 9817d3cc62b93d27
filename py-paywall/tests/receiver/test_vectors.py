"""What the vectors say of pushes, said by both receivers over a real database (M4, S1 to S4)."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from receiver.conftest import Make
from receiver.pushes import Request, mac

from conftest import REPOSITORY, SqliteMirror

CASES = json.loads((REPOSITORY / "conformance/vectors/push.json").read_text())["cases"]
SECRETS = ["one secret of the pushes", "another secret of the pushes"]
COLUMNS = ["queue_customer_id", "plan_tier", "status", "current_period_end", "updated_at"]


def body_of(given: dict[str, Any]) -> bytes:
    repeated = given.get("body_repeated")
    text: str = given["body"] if repeated is None else repeated["text"] * repeated["times"]
    return text.encode()


def moved(header: str, body: bytes, seconds: int) -> str:
    """The header as it would be so much later. What was signed well is again, and nothing else is."""
    stamp = re.match(r"t=(\d+),", header)
    assert stamp
    then, now = stamp[1], str(int(stamp[1]) + seconds)
    again = {mac(body, then, secret): mac(body, now, secret) for secret in SECRETS}
    signatures = re.sub(r"v1=([^,]*)", lambda found: f"v1={again.get(found[1], found[1])}", header[stamp.end() :])
    return f"t={now},{signatures}"


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_pushes_are_answered_and_applied_as_the_vectors_say(
    case: dict[str, Any], make: Make, table: SqliteMirror
) -> None:
    given, expected = case["input"], case["expected"]
    if given.get("mirror") == "mirror_table_missing":
        table.execute("alter table billing_subscription_mirror rename to hidden")
    elif given.get("mirror") == "mirror_unavailable":
        table.path.rename(table.path.with_name("hidden.db"))
    elif given.get("mirror") == "mirror_rows_refused":
        table.execute(
            "create trigger refuses before insert on billing_subscription_mirror begin select raise(abort, 'no'); end"
        )
    body = body_of(given)
    # The vectors' clock stands still and a receiver's does not: what is signed for later stays so for a while.
    ahead = 0 if case["name"] == "beyond the tolerance" else 20
    seconds = int(time.time()) - given["now"] + ahead
    headers = [moved(header, body, seconds) for header in given["headers"]]
    answer = make(table.url, given["secrets"])(Request(body, headers))
    assert answer.without_length() == expected["answer"]
    if "mirror" not in given:
        rows = table.execute("select * from billing_subscription_mirror order by queue_customer_id")
        assert rows == [tuple(row[column] for column in COLUMNS) for row in expected["applied"]]
