"""What all skins share: the settings, which gate stands before which path, and what is told of a decision."""

from __future__ import annotations

import contextlib
import inspect
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypedDict

from py_paywall import _alerts
from py_paywall._mirror import Mirror
from py_paywall._native import Decision, Gate, Gates, Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    #: Tells who is asking, by something that the client can't choose; None for nobody.
    Identity = Callable[..., "str | None"]
    #: The same, or something to be awaited that does.
    AsyncIdentity = Callable[..., "str | Awaitable[str | None] | None"]

logger = logging.getLogger("py_paywall")


class Settings(TypedDict, total=False):
    """Everything about a paywall but its mirror and its default tier. See `Paywall`."""

    gate: Mapping[str, str]
    exempt: Iterable[str]
    tiers: Sequence[str]
    leeway: timedelta
    upgrade_url: str
    unknown_is_503: bool
    observe: bool


class Paywall:
    """A paywall, whatever it stands in front of.

    :param mirror: a `Mirror`, or its URL.
    :param default_tier: the tier that every path asks for which no pattern names; None: nothing is gated but
        what `gate` names.
    :param gate: patterns of paths, each with its tier. `*` stands for one segment, a final `**` for any number.
    :param exempt: patterns of paths that everyone may have.
    :param tiers: all tiers, the lowest first; the lowest is what everyone has. Default: free, pro, pro_plus.
    :param leeway: how long access lasts after the end of a period. Default: 72 hours.
    :param upgrade_url: where those who are refused can upgrade.
    :param unknown_is_503: answer 503 instead of 402 where nobody can say whether the customer is entitled.
    :param observe: **refuse nothing**, and log what would have been refused: for a roll-out.
    :raises ValueError: for tiers, patterns and URLs that make no sense.
    """

    def __init__(
        self,
        mirror: Mirror | str,
        *,
        default_tier: str | None,
        gate: Mapping[str, str] | None = None,
        exempt: Iterable[str] = (),
        tiers: Sequence[str] | None = None,
        leeway: timedelta | None = None,
        upgrade_url: str | None = None,
        unknown_is_503: bool = False,
        observe: bool = False,
    ) -> None:
        self.mirror = mirror if isinstance(mirror, Mirror) else Mirror.connect(mirror)
        self.observe = observe
        gated = list((gate or {}).items())
        # A gate is for some paid tier: the settings' own, else the lowest there is.
        paid = (tiers or ("free", "pro"))[1:2]
        lowest = default_tier or (gated[0][1] if gated else "".join(paid))
        self._gate = Gate(
            lowest,
            tiers=tiers,
            leeway_seconds=None if leeway is None else int(leeway.total_seconds()),
            upgrade_url=upgrade_url,
            unknown_is_503=unknown_is_503,
        )
        self._gates = Gates(self._gate, default_tier=default_tier, gated=gated, exempt=list(exempt))
        self._gate_of_tier: dict[str, Gate] = {}
        #: `before(path, raw_path, mount)`: the gate before a path, or None for an exempt one (P4).
        self.before = self._gates.before
        #: The same for a WSGI environ.
        self.before_environ = self._gates.before_environ
        if observe:
            logger.warning("THE PAYWALL ONLY OBSERVES: it refuses nothing, and everyone reaches what is paid for")

    def gate_for(self, tier: str) -> Gate:
        """The gate for a tier, whatever the path.

        :raises ValueError: for a tier that nobody pays for.
        """
        gate = self._gate_of_tier.get(tier)
        if gate is None:
            gate = self._gate_of_tier[tier] = self._gate.for_tier(tier)
        return gate

    def decide(self, gate: Gate, identity: Identity, *request: Any) -> Decision:
        """Asks who it is and what the mirror says of them. Never raises: what fails keeps the gate closed."""
        try:
            customer_id = _text(identity(*request))
        except Exception:
            return _failed(gate, _IDENTITY)
        if customer_id is None:
            return Decision.no_identity(gate)
        try:
            return self.mirror.decide(customer_id, gate)
        except Exception:
            return _failed(gate, "the mirror could not be asked")

    async def adecide(self, gate: Gate, identity: AsyncIdentity, *request: Any) -> Decision:
        """The same for an event loop, where the identity may have to be awaited too."""
        try:
            customer_id = identity(*request)
            if inspect.isawaitable(customer_id):
                customer_id = await customer_id
            customer_id = _text(customer_id)
        except Exception:
            return _failed(gate, _IDENTITY)
        if customer_id is None:
            return Decision.no_identity(gate)
        try:
            return await self.mirror.adecide(customer_id, gate)
        except Exception:
            return _failed(gate, "the mirror could not be asked")

    def refusal(self, decision: Decision, gate: Gate, content_type: bytes | str | None = None) -> Problem | None:
        """Tells of the decision where it should be told of. None: the handler may run."""
        if decision.allowed:
            return None
        # Whatever a log handler or a reporter does: the answer is the same.
        with contextlib.suppress(Exception):
            self._tell(decision)
        if self.observe:
            return None
        return decision.problem(gate, content_type)

    def _tell(self, decision: Decision) -> None:
        unexpected = decision.retryable or decision.code == "no_row"
        if unexpected:
            _alerts.alerts.of(decision)
        if self.observe:
            level, what = logging.WARNING, "the paywall would have refused"
        else:
            level, what = logging.WARNING if unexpected else logging.DEBUG, "the paywall refused"
        if logger.isEnabledFor(level):
            # Never the path, which may hold what is private.
            told = {
                "code": decision.code,
                "customer": decision.customer_id,
                "required_tier": decision.required_tier,
            }
            logger.log(level, "%s: %s", what, decision.code, extra=told)


_IDENTITY = "the identity that was plugged into the paywall failed"


def _text(customer_id: object) -> str | None:
    if customer_id is None or isinstance(customer_id, str):
        return customer_id
    raise TypeError(f"an identity answers text or None, not {type(customer_id).__name__}")


def _failed(gate: Gate, what: str) -> Decision:
    logger.exception("%s: the gate stays closed", what)
    return Decision.failed(gate)
