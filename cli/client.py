"""Calls to the gateway: signs requests, refreshes the session, repeats what is safe to repeat."""

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import httpx

from cli.errors import CliError, ProblemError, problem_from
from cli.store import Session, Store

ATTEMPTS_MAX: Final = 4
PAGE_SIZE_MAX: Final = 1000
RENEW_BEFORE_S: Final = 60.0
TIMEOUT: Final = httpx.Timeout(30.0, connect=5.0)
UPLOAD_TIMEOUT: Final = httpx.Timeout(600.0, connect=5.0)
REPEATABLE: Final = frozenset({429, 503})

Values = Mapping[str, str | int | bool]


class Client:
    """The gateway at one address; `store` is None for calls without a session."""

    def __init__(self, url: str, store: Store | None) -> None:
        self._url = url.rstrip("/")
        self._store = store
        headers = {"user-agent": "crm-cli"}
        self._http = httpx.Client(base_url=self._url, timeout=TIMEOUT, headers=headers)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def read(self, path: str, params: Values | None = None) -> dict[str, object]:
        """GET a JSON object."""
        return as_object(self.send("GET", path, params=params))

    def change(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, object]:
        """Send a change under an idempotency key of its own, so that it may be repeated."""
        key = {"idempotency-key": secrets.token_hex(16)}
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        if content is not None:
            key["content-type"] = "application/json"
        all_headers = {**key, **(headers or {})}
        return as_object(self.send(method, path, headers=all_headers, content=content))

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Values | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """One request, repeated while the server is busy; else ProblemError."""
        return self.repeated(
            lambda signed: self._http.request(
                method, path, params=params, headers={**(headers or {}), **signed}, content=content
            )
        )

    def repeated(self, call: Callable[[Mapping[str, str]], httpx.Response]) -> httpx.Response:
        """Make a call with the headers that sign it; busy servers and old tokens are retried."""
        renewed = False
        for attempt in range(1, ATTEMPTS_MAX + 1):
            response = self._answer(call)
            if response.is_success:
                return response
            problem = problem_from(response)
            if response.status_code == 401 and self._store is not None and not renewed:
                renewed = True
                self._renew(force=True)
                continue
            if response.status_code not in REPEATABLE or attempt == ATTEMPTS_MAX:
                raise problem
            time.sleep(problem.retry_after_s)
        raise CliError("The server stays busy; try again later.")

    def upload(
        self, path: str, make: Callable[[], Mapping[str, object]], headers: Mapping[str, str]
    ) -> dict[str, object]:
        """POST a form; `make` opens its parts anew for each attempt."""

        def call(signed: Mapping[str, str]) -> httpx.Response:
            parts = make()
            return self._http.post(
                path,
                headers={**headers, **signed},
                timeout=UPLOAD_TIMEOUT,
                **parts,  # type: ignore[arg-type]  # data and files, as httpx names them
            )

        return as_object(self.repeated(call))

    def pages(self, path: str, params: Values) -> Iterator[dict[str, object]]:
        """All pages of a list."""
        token = ""
        while True:
            page = self.read(path, {**params, **({"page_token": token} if token else {})})
            yield page
            token = str(page.get("next_page_token") or "")
            if not token:
                return

    @contextmanager
    def lines(self, path: str, headers: Mapping[str, str]) -> Iterator[Iterator[str]]:
        """Lines of a response that does not end by itself."""
        timeout = httpx.Timeout(30.0, connect=5.0)  # the server sends a heartbeat every 15 s
        signed = self._signed()
        with (
            _reachable(self._url),
            self._http.stream(
                "GET", path, headers={**headers, **signed}, timeout=timeout
            ) as response,
        ):
            if not response.is_success:
                response.read()
                raise problem_from(response)
            yield response.iter_lines()

    def save(self, path: str, write: Callable[[bytes], object]) -> None:
        """Stream a download to `write`."""
        with (
            _reachable(self._url),
            self._http.stream("GET", path, headers=self._signed()) as response,
        ):
            if not response.is_success:
                response.read()
                raise problem_from(response)
            for chunk in response.iter_bytes():
                write(chunk)

    def _answer(self, call: Callable[[Mapping[str, str]], httpx.Response]) -> httpx.Response:
        signed = self._signed()
        with _reachable(self._url):
            return call(signed)

    def _signed(self) -> Mapping[str, str]:
        if self._store is None:
            return {}
        return {"authorization": f"Bearer {self._renew(force=False).access_token}"}

    def _renew(self, *, force: bool) -> Session:
        """The session with a living access token; another process may have renewed it."""
        store = self._store
        session = store.load() if store is not None else None
        if store is None or session is None:
            raise CliError("You are not signed in: run crm login.")
        if not force and _lives(session):
            return session
        with store.locked():
            latest = store.load() or session
            if latest.refresh_token == session.refresh_token or not _lives(latest):
                latest = self._refreshed(latest)
                store.save(latest)
            return latest

    def _refreshed(self, session: Session) -> Session:
        with _reachable(self._url):
            body = {"refresh_token": session.refresh_token}
            response = self._http.post("/v1/sessions:refresh", json=body)
        if response.status_code in {400, 401}:
            raise CliError("Your session has ended: run crm login.")
        if not response.is_success:
            raise problem_from(response)
        return session_from(self._url, as_object(response))


def session_from(url: str, answer: Mapping[str, object]) -> Session:
    """The session that a sign-in or a refresh answers with."""
    return Session(
        url=url,
        access_token=str(answer["access_token"]),
        refresh_token=str(answer["refresh_token"]),
        expire_time=time.time() + float(str(answer.get("expires_in") or 0)),
        user_id=str(answer.get("user_id", "")),
        tenant_id=str(answer.get("tenant_id", "")),
    )


def as_object(response: httpx.Response) -> dict[str, object]:
    """The JSON object of a response; CliError when it is something else."""
    if response.status_code == 204 or not response.content:
        return {}
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise CliError(f"{response.url} does not answer like a CRM gateway.")
    return body


def _lives(session: Session) -> bool:
    return time.time() < session.expire_time - RENEW_BEFORE_S


@contextmanager
def _reachable(url: str) -> Iterator[None]:
    """Turn what goes wrong below HTTP into one sentence."""
    try:
        yield
    except httpx.ConnectError as error:
        raise UnreachableError(f"Cannot reach {url}: is the platform running (make up)?") from error
    except httpx.TimeoutException as error:
        raise UnreachableError(f"{url} did not answer in time.") from error
    except httpx.InvalidURL as error:
        raise CliError(f"{url} is no address: {error}") from error
    except httpx.HTTPError as error:
        raise UnreachableError(f"The connection to {url} broke: {error}") from error


class UnreachableError(CliError):
    """Nothing answers at the address, or the connection broke."""


__all__ = ["Client", "ProblemError", "UnreachableError", "as_object", "session_from"]
