"""Queues to sign up at."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from signup.recording_queue import RecordingQueue

#: Makes a recording Queue.
Make = Callable[..., RecordingQueue]


@pytest.fixture
def recording() -> Iterator[Make]:
    """Makes Queues that write down what they are asked."""
    made: list[RecordingQueue] = []

    def make(*arguments: object) -> RecordingQueue:
        made.append(RecordingQueue(*arguments))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for queue in made:
        queue.close()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried soon."""
    monkeypatch.setattr("py_paywall.signup._FIRST_PAUSE_SECONDS", 0.002)
