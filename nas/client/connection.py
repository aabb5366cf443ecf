"""Requests to a service, repeated where that is harmless."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import httpx2

from nas._version import __version__
from nas.client.address import Address
from nas.client.errors import ServiceUnreachableError, error_of
from nas.errors import ConfigError

PREFIX: Final = "/api/v1"
#: How long an answer may take: the longest are those of a large study's page.
TIMEOUT_S: Final = 60.0
#: How long a service may be away before a call that may be repeated gives up.
PATIENCE_S: Final = 30.0
_FIRST_WAIT_S: Final = 0.2
_LONGEST_WAIT_S: Final = 5.0
_REPEATABLE: Final = ("GET", "HEAD", "PUT", "DELETE")
_AWAY: Final = (502, 503, 504)

Params: TypeAlias = Mapping[str, Any]
Sleep: TypeAlias = Callable[[float], None]


class Connection:
    """One service; safe to share between threads.

    Reads, and submissions with an idempotency key, are repeated while the connection fails or the service
    answers 502, 503 or 504, as long as `patience_s` allows. Redirects are not followed: a token goes
    nowhere else.

    Args:
        address: where it is.
        patience_s: for how long calls that may be repeated are.
        transport: that carries requests; the network's unless given.
        sleep: waits a number of seconds between two tries.
    """

    def __init__(
        self,
        address: Address,
        *,
        patience_s: float = PATIENCE_S,
        transport: httpx2.BaseTransport | None = None,
        sleep: Sleep = time.sleep,
    ) -> None:
        self.address = address
        self._patience_s, self._sleep = patience_s, sleep
        self._http = httpx2.Client(
            base_url=_url(address.url),
            auth=_Bearer(address.token),
            headers={"user-agent": f"nas-client/{__version__}", "accept": "application/json"},
            timeout=httpx2.Timeout(TIMEOUT_S, connect=10.0),
            trust_env=not address.is_local,
            transport=transport,
        )

    def get(self, *parts: object, params: Params | None = None) -> Any:
        """The JSON of a resource; `parts` are the segments of its path."""
        return self._json(self._request("GET", path_of(*parts), params=params))

    def post(
        self, *parts: object, body: Mapping[str, Any], key: str | None = None, is_query: bool = False
    ) -> Any:
        """The JSON of an answer to a body.

        Args:
            parts: the segments of the path.
            body: sent as JSON.
            key: idempotency key: the service obeys the same key and body once, so that it may be sent again.
            is_query: it changes nothing, so that it may be sent again.
        """
        headers = {} if key is None else {"idempotency-key": key}
        is_repeatable = is_query or key is not None
        path = path_of(*parts)
        return self._json(
            self._request("POST", path, body=body, headers=headers, is_repeatable=is_repeatable)
        )

    def patch(self, *parts: object, body: Mapping[str, Any]) -> Any:
        """The JSON of a changed resource; a change to given values may be sent again."""
        return self._json(self._request("PATCH", path_of(*parts), body=body, is_repeatable=True))

    @contextmanager
    def stream(self, *parts: object, headers: Mapping[str, str] | None = None) -> Iterator[httpx2.Response]:
        """An answer that is read piece by piece; not repeated.

        Raises:
            NasError: the service refused.
            ServiceUnreachableError: it does not answer, or the connection broke while it was read.
        """
        try:
            with self._http.stream("GET", path_of(*parts), headers=dict(headers or {})) as response:
                if not response.is_success:
                    response.read()
                    raise error_of(response)
                yield response
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        is_repeatable: bool = False,
    ) -> httpx2.Response:
        request = self._http.build_request(method, path, params=params, json=body, headers=headers)
        waits = self._waits() if is_repeatable or method in _REPEATABLE else iter(())
        while True:
            response, failure = self._tried(request)
            if response is not None and response.status_code not in _AWAY:
                break
            wait = next(waits, None)
            if wait is None:
                break
            self._sleep(max(wait, _retry_after(response)))
        if response is None:
            assert failure is not None
            raise self._unreachable(failure) from failure
        if not response.is_success:
            raise error_of(response)
        return response

    def _json(self, response: httpx2.Response) -> Any:
        try:
            return response.json()
        except ValueError:
            raise ServiceUnreachableError(
                f"what answers at {self.address.url} is no service of nas: its answer is not JSON"
            ) from None

    def _tried(self, request: httpx2.Request) -> tuple[httpx2.Response | None, httpx2.TransportError | None]:
        try:
            return self._http.send(request), None
        except httpx2.TransportError as error:
            return None, error

    def _waits(self) -> Iterator[float]:
        """Seconds between tries, doubled each time, until the patience is over."""
        give_up, wait = time.monotonic() + self._patience_s, _FIRST_WAIT_S
        while time.monotonic() < give_up:
            yield wait * random.uniform(0.75, 1.25)
            wait = min(2 * wait, _LONGEST_WAIT_S)

    def _unreachable(self, error: httpx2.TransportError) -> ServiceUnreachableError:
        return ServiceUnreachableError(
            f"the service at {self.address.url} cannot be reached: {str(error) or type(error).__name__}; "
            "check the address (--server or NAS_SERVER), and that `nas serve` runs there"
        )


def _url(text: str) -> httpx2.URL:
    try:
        return httpx2.URL(text)
    except httpx2.InvalidURL as error:
        raise ConfigError(f"server {text!r}: {error}; write http(s)://HOST[:PORT]") from None


def path_of(*parts: object) -> str:
    """A path below the API, each segment quoted whole.

    Raises:
        ConfigError: a segment that would lead elsewhere.
    """
    for part in parts:
        if str(part) in ("", ".", ".."):
            raise ConfigError(f"{str(part)!r} is no name of a study, job, trial, export or target")
    return "/".join([PREFIX, *(quote(str(part), safe=":") for part in parts)])


def _retry_after(response: httpx2.Response | None) -> float:
    """Seconds that the service asked to wait, within reason; 0 where it did not say."""
    text = "" if response is None else response.headers.get("retry-after", "")
    return min(float(text), _LONGEST_WAIT_S) if text.isascii() and text.isdigit() else 0.0


class _Bearer(httpx2.Auth):
    """Sets the token itself, so that no file of passwords in the home folder is asked."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        if self._token is not None:
            request.headers["authorization"] = f"Bearer {self._token}"
        yield request
