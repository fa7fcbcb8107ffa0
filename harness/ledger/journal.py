"""The model servers' book: what really arrived at a backend and what it generated, read from the journals of their admin endpoints.

A server that cannot be read raises `JournalUnreadable`: silence must never be taken for "nothing arrived".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import httpx

from harness.client.trace import TRACEPARENT, trace_id
from harness.client.trust import trust
from harness.outcome import EnvironmentFault

ADMIN_URL: Final = "maas-conformance.dev/admin-url"
"""Annotation of a model server's Pod: where its journal is."""
_TIMEOUT_S = 10.0


class JournalUnreadable(EnvironmentFault):
    """A model server's journal did not answer, or answered with something else."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request as its model server saw it; token counts are None where the server never counted."""

    server: str
    seq: int
    request_id: str
    trace_id: str | None
    path: str
    model: str | None
    stream: bool
    status: int
    prompt_tokens: int | None
    completion_tokens: int | None
    delivered_tokens: int | None
    aborted: bool
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def total_tokens(self) -> int | None:
        """Prompt and generated tokens together; None where one of them is unknown."""
        if self.prompt_tokens is None or self.completion_tokens is None:
            return None
        return self.prompt_tokens + self.completion_tokens

    @classmethod
    def parse(cls, server: str, raw: Mapping[str, Any]) -> Self:
        """Read one entry of the admin endpoint; fields that it does not know are left alone. Raises KeyError or TypeError."""
        headers = {str(name).lower(): str(value) for name, value in (raw.get("headers") or {}).items()}
        return cls(
            server=server,
            seq=int(raw["seq"]),
            request_id=str(raw.get("request_id") or ""),
            trace_id=trace_id(headers.get(TRACEPARENT)),
            path=str(raw.get("path") or ""),
            model=raw.get("model"),
            stream=bool(raw.get("stream")),
            status=int(raw.get("status") or 0),
            prompt_tokens=raw.get("prompt_tokens"),
            completion_tokens=raw.get("completion_tokens"),
            delivered_tokens=raw.get("delivered_tokens"),
            aborted=bool(raw.get("aborted")),
            headers=headers,
        )


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in every server's journal, so that a check reads only what came after it."""

    positions: Mapping[str, int]


class Journals:
    """The journals of all model servers of a platform; one instance per thread."""

    def __init__(self, admin_urls: Iterable[str]) -> None:
        self._urls = tuple(dict.fromkeys(url.rstrip("/") for url in admin_urls))
        self._http = httpx.Client(timeout=_TIMEOUT_S, trust_env=False, verify=trust())

    @property
    def servers(self) -> tuple[str, ...]:
        """Admin URLs that are read."""
        return self._urls

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def mark(self) -> Mark:
        """The present end of every journal."""
        return Mark({url: self._read(url, {"since": str(2**62)})[1] for url in self._urls})

    def since(self, mark: Mark) -> list[Entry]:
        """Everything that arrived after the mark, at servers that the mark knows and at those that came up since."""
        return [entry for url in self._urls for entry in self._read(url, {"since": str(mark.positions.get(url, 0))})[0]]

    def of(self, request_id: str) -> list[Entry]:
        """Every arrival of one request, at any server; more than one means that something retried it."""
        return [entry for url in self._urls for entry in self._read(url, {"request_id": request_id})[0]]

    def _read(self, url: str, query: Mapping[str, str]) -> tuple[list[Entry], int]:
        try:
            answer = self._http.get(f"{url}/journal", params=dict(query))
            answer.raise_for_status()
            document = answer.json()
            return [Entry.parse(url, raw) for raw in document["entries"]], int(document["next"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise JournalUnreadable(
                f"the journal of the model server {url} cannot be read: {type(error).__name__}: {error}; "
                "expected GET /journal to answer with entries and next"
            ) from error
