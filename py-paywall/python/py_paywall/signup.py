"""Telling Queue of customers: one when they sign up, all of them once (M6).

Everyone has a row in the mirror, also who never paid: then a missing row is a fault that somebody hears of. So a back
end registers each customer when they sign up, and those it has already, once. To register somebody again does no harm.

    queue = Queue("https://queue.internal", token=os.environ["QUEUE_INTERNAL_TOKEN"])
    queue.register(str(user.id))

Rules: what is no customer's id never becomes another path of Queue's; the token goes to Queue's own address and, by
redirects, to no other; it is in no text and no error; what can't succeed is not tried again.

In deployment: `register` may block for `tries` times `timeout` and the pauses between them. Where that is too long for
a request, call it in the background. To register the same customer later does as well: the gate stays closed meanwhile,
and says that a row is missing. Needs httpx: `pip install 'py-paywall[signup]'`.
"""

from __future__ import annotations

import asyncio
import os
import random
import ssl
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import quote, urlsplit

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

#: Answers after which the same again may succeed.
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
#: Answers that say nothing about the customer.
_NOBODY = {401, 403}
#: Stripe's bound, and Queue's: a longer one would make no URL.
_MAX_ID_LENGTH = 255
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
#: More is no code, but somebody's text.
_MAX_CODE_LENGTH = 64


class _Settings(TypedDict):
    headers: dict[str, str]
    timeout: float
    follow_redirects: bool
    verify: ssl.SSLContext


class RegistrationError(Exception):
    """A customer was not registered.

    :ivar customer_id: whom.
    :ivar code: why: the `code` of Queue's answer, or `unreachable`.
    :ivar retryable: whether the same again may succeed.
    :ivar everyones: whether it is nothing about this customer: Queue refuses the token, so it refuses all.
    """

    def __init__(self, customer_id: str, code: str, *, retryable: bool, everyones: bool = False) -> None:
        super().__init__(f"the customer was not registered: {code}")
        self.customer_id = customer_id
        self.code = code
        self.retryable = retryable
        self.everyones = everyones


@dataclass
class Imported:
    """What came of an import.

    :ivar registered: how many customers Queue knows now.
    :ivar failed: those it does not, and why.
    """

    registered: int = 0
    failed: list[RegistrationError] = field(default_factory=list)


class Queue:
    """A client of Queue for the back end's own use. Usable from any thread, and in the children of a fork.

    :param url: where Queue is, such as `https://queue.internal`.
    :param token: one of its `QUEUE_INTERNAL_TOKEN`s.
    :param timeout: seconds that one request may take.
    :param tries: how often a customer is tried who can't be registered now.
    :raises ValueError: for a URL that is none, or a blank token.
    """

    def __init__(self, url: str, *, token: str, timeout: float = 10.0, tries: int = 5) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("Queue's URL is https://HOST, or http://HOST within one machine")
        if parts.query or parts.fragment:
            raise ValueError("Queue's URL has no query and no fragment: paths are added to it")
        token = token.strip()
        if not token or not (token.isascii() and token.isprintable()) or " " in token or "," in token:
            raise ValueError("the token is one of Queue's QUEUE_INTERNAL_TOKEN, and only one")
        self._base = url.rstrip("/")
        self._headers = {"authorization": f"Bearer {token}"}
        self._timeout = timeout
        self._tries = max(1, tries)
        # Made once: to read the certificates takes longer than a registration.
        self._certificates = httpx.create_ssl_context()
        self._clients: dict[int, httpx.Client] = {}

    def register(self, customer_id: str) -> None:
        """Registers a customer; once they are in the mirror they have the lowest tier.

        :raises RegistrationError: when Queue refuses, or does not answer after several tries.
        """
        for pause in self._pauses():
            try:
                response = self._client().put(self._address(customer_id))
            except (httpx.HTTPError, httpx.InvalidURL):
                response = None
            error = _error(customer_id, response)
            if error is None:
                return
            if not error.retryable or pause is None:
                raise error
            time.sleep(pause)

    async def aregister(self, customer_id: str) -> None:
        """The same, to be awaited.

        :raises RegistrationError: as `register`.
        """
        async with httpx.AsyncClient(**self._settings()) as client:
            await self._aregister(client, customer_id)

    def import_all(
        self,
        customer_ids: Iterable[str],
        *,
        at_once: int = 32,
        progress: Callable[[Imported], None] | None = None,
    ) -> Imported:
        """Registers all of a back end's customers, so many at once. Those who can't be harm no other.

        Broken off and begun anew, it registers those again who are registered, which does no harm.

        :param customer_ids: may be a generator: they are taken as they are needed.
        :param progress: called after each customer.
        :raises RegistrationError: when Queue refuses the token: nobody would be registered.
        """
        return asyncio.run(self.aimport_all(customer_ids, at_once=at_once, progress=progress))

    async def aimport_all(
        self,
        customer_ids: Iterable[str],
        *,
        at_once: int = 32,
        progress: Callable[[Imported], None] | None = None,
    ) -> Imported:
        """The same, to be awaited."""
        imported = Imported()
        waiting = iter(customer_ids)

        async def lane(client: httpx.AsyncClient) -> None:
            for customer_id in waiting:
                try:
                    await self._aregister(client, customer_id)
                except RegistrationError as error:
                    if error.everyones:
                        raise
                    # Its frames would stay in memory with it.
                    imported.failed.append(error.with_traceback(None))
                else:
                    imported.registered += 1
                if progress is not None:
                    progress(imported)

        async with httpx.AsyncClient(**self._settings()) as client:
            lanes = [asyncio.ensure_future(lane(client)) for _ in range(max(1, at_once))]
            try:
                await asyncio.gather(*lanes)
            finally:
                for task in lanes:
                    task.cancel()
                await asyncio.gather(*lanes, return_exceptions=True)
        return imported

    def close(self) -> None:
        """Ends the connections. Asked again, it connects again."""
        client = self._clients.pop(os.getpid(), None)
        if client is not None:
            client.close()

    def __enter__(self) -> Queue:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Queue({urlsplit(self._base).hostname!r})"

    async def _aregister(self, client: httpx.AsyncClient, customer_id: str) -> None:
        for pause in self._pauses():
            try:
                response = await client.put(self._address(customer_id))
            except (httpx.HTTPError, httpx.InvalidURL):
                response = None
            error = _error(customer_id, response)
            if error is None:
                return
            if not error.retryable or pause is None:
                raise error
            await asyncio.sleep(pause)

    def _client(self) -> httpx.Client:
        """The client of this process: a parent's connections are kept as they are, for they are the parent's."""
        process = os.getpid()
        client = self._clients.get(process)
        if client is None:
            client = self._clients.setdefault(process, httpx.Client(**self._settings()))
        return client

    def _pauses(self) -> Iterator[float | None]:
        """How long to wait after each try; None after the last."""
        for number in range(self._tries - 1):
            longest = min(_FIRST_PAUSE_SECONDS * 2**number, _LONGEST_PAUSE_SECONDS)
            # Jitter: those who were refused together must not come back together.
            yield longest * random.uniform(0.5, 1.0)
        yield None

    def _address(self, customer_id: str) -> str:
        if not isinstance(customer_id, str):
            raise TypeError(f"a customer's id is text, not {type(customer_id).__name__}")
        # An id that is no path segment must not become another path, nor one that is no text another id.
        try:
            segment = quote(customer_id, safe="")
        except UnicodeEncodeError:
            segment = ""
        if segment in {"", ".", ".."} or len(customer_id) > _MAX_ID_LENGTH:
            raise RegistrationError(customer_id, "customer_id_invalid", retryable=False)
        return f"{self._base}/api/v1/billing/customers/{segment}"

    def _settings(self) -> _Settings:
        return {
            "headers": self._headers,
            "timeout": self._timeout,
            "follow_redirects": False,
            "verify": self._certificates,
        }


def _error(customer_id: str, response: httpx.Response | None) -> RegistrationError | None:
    """Why an answer means that the customer is not registered; None if they are."""
    if response is None:
        return RegistrationError(customer_id, "unreachable", retryable=True)
    if response.is_success:
        return None
    try:
        code = str(response.json()["code"])
    except (ValueError, KeyError, TypeError):
        code = ""
    if not (code.isascii() and code.replace("_", "").isalnum() and len(code) <= _MAX_CODE_LENGTH):
        code = f"http_{response.status_code}"
    return RegistrationError(
        customer_id,
        code,
        retryable=response.status_code in _TRANSIENT,
        everyones=response.status_code in _NOBODY,
    )
