"""The judge of answers can find one wrong."""

from __future__ import annotations

import pytest

from servers.flips import Flipper, Held, Seen


@pytest.fixture
def flipper() -> Flipper:
    """Paid until a flip whose commit took from 10 to 11, and again from one between 20 and 21."""
    flipper = Flipper(lambda _tier, _status: None)
    flipper.held = [Held(200, 0, 11), Held(402, 10, 21), Held(200, 20)]
    return flipper


@pytest.mark.parametrize(
    ("start", "end", "status", "explained"),
    [
        (1, 2, 200, True),
        (1, 2, 402, False),
        (1, 9.9, 402, False),
        # Within a commit nobody can say.
        (10.2, 10.4, 200, True),
        (10.2, 10.4, 402, True),
        (9, 10.5, 402, True),
        (11.1, 19.9, 402, True),
        # An answer from before the flip, or from a cache.
        (11.1, 19.9, 200, False),
        (21.1, 30, 402, False),
        (21.1, 30, 200, True),
        # Long requests saw both.
        (5, 15, 200, True),
        (5, 15, 402, True),
        (1, 2, 500, False),
    ],
)
def test_an_answer_is_wrong_if_no_state_of_its_time_gives_it(
    start: float, end: float, status: int, explained: bool, flipper: Flipper
) -> None:
    assert flipper.explains(Seen("ada", start, end, status, "")) == explained


def test_whoever_never_changes_has_one_answer(flipper: Flipper) -> None:
    assert flipper.explains(Seen("bob", 1, 30, 200, ""))
    assert not flipper.explains(Seen("bob", 1, 30, 402, ""))
    assert flipper.explains(Seen("eve", 1, 30, 402, ""))
    assert not flipper.explains(Seen("eve", 1, 30, 200, ""))
