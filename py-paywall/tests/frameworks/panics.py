"""Run apart, with a native module that panics where `PY_PAYWALL_PANIC_AT` says: what every skin answers then."""

from __future__ import annotations

import json
import logging
import os
import sys

from frameworks.skins import PAID, SKINS, opened


def main(mirror: str) -> None:
    """Prints, for every skin and point: status, body, calls of the handler, and the status of the next request."""
    logging.disable(logging.CRITICAL)
    told = {}
    for skin in SKINS:
        for point in ("route", "read", "decide", "problem"):
            with opened(skin, mirror) as site:
                os.environ["PY_PAYWALL_PANIC_AT"] = point
                # A panic where routes are looked up leaves the strictest gate, and where a refusal is written
                # somebody must be refused: who never paid.
                answer = site.get(PAID, "eve" if point in ("route", "problem") else "ada")
                calls = len(site.calls)
                del os.environ["PY_PAYWALL_PANIC_AT"]
                told[f"{skin.__name__} {point}"] = (answer.status, answer.body.decode(), calls, site.get().status)
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
