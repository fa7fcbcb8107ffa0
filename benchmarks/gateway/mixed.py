"""Mixed requests at high concurrency, and what each client saw of its own."""

import asyncio
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Final

import httpx

JSON, STREAM, ASKED, LEFT, BROKEN, INVALID, FAILED = KINDS = (
    "JSON",
    "stream, usage not asked",
    "stream, usage asked",
    "stream, client leaves",
    "stream, backend breaks",
    "backend answers 400",
    "backend answers 500",
)
WHOLE: Final = frozenset({JSON, STREAM, ASKED})
"""Kinds whose answers state what they cost, and that end as they should."""
FREE: Final = frozenset({INVALID, FAILED})
MODEL: Final = "m"
BREAKS_AFTER: Final = 2
TIMEOUT_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Account:
    """A user's key."""

    user: str
    key: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as its client saw it: `total` is the usage that the answer stated, `chunks` how many chunks with text were read."""

    request_id: str
    kind: str
    user: str
    status: int | None
    total: int | None = None
    chunks: int = 0


def body_of(kind: str, tokens: int) -> dict[str, Any]:
    """The request's body."""
    body: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}], "max_tokens": tokens}
    if kind == INVALID:
        body["max_tokens"] = -1
    if kind in (STREAM, ASKED, LEFT, BROKEN):
        body["stream"] = True
    if kind == ASKED:
        body["stream_options"] = {"include_usage": True}
    return body


def fault_of(kind: str) -> Mapping[str, str]:
    """What the mock server is told to do wrong."""
    faults = {BROKEN: f"close; after_tokens={BREAKS_AFTER}", FAILED: "error; status=500"}
    return {"X-Mock-Fault": faults[kind]} if kind in faults else {}


async def drive(urls: Sequence[str], accounts: Sequence[Account], requests: int, concurrency: int) -> tuple[Seen, ...]:
    """Send all of them, each kind equally often, over all gateways and accounts in turn."""
    waiting = iter(range(requests))
    seen: list[Seen] = []

    async def work(url: str) -> None:
        # a client of its own: the connection pool of httpx takes time in the square of its requests
        async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as client:
            for number in waiting:
                account = accounts[number // len(KINDS) % len(accounts)]
                seen.append(await call(client, url, account, KINDS[number % len(KINDS)], 4 + number % 13))

    places: Iterator[str] = cycle(urls)
    await asyncio.gather(*(work(next(places)) for _ in range(concurrency)))
    return tuple(seen)


async def call(client: httpx.AsyncClient, url: str, account: Account, kind: str, tokens: int) -> Seen:
    """One request, to its end or to where its client leaves."""
    request_id = str(uuid.uuid4())
    headers = {"Authorization": f"Bearer {account.key}", "X-Request-Id": request_id, **fault_of(kind)}
    body = body_of(kind, tokens)
    if "stream" not in body:
        answer = await client.post(url, json=body, headers=headers)
        return Seen(request_id, kind, account.user, answer.status_code, total_of(answer.json()))
    chunks, total, status = 0, None, None
    try:
        async with client.stream("POST", url, json=body, headers=headers) as answer:
            status = answer.status_code
            async for line in answer.aiter_lines():
                event = json.loads(line[6:]) if line.startswith("data: {") else {}
                total = total_of(event) or total
                chunks += any((choice.get("delta") or {}).get("content") for choice in event.get("choices") or ())
                if kind == LEFT and chunks > tokens // 2:
                    break
    except httpx.RemoteProtocolError:
        if kind != BROKEN:
            raise
    return Seen(request_id, kind, account.user, status, total, chunks)


def total_of(document: Mapping[str, Any]) -> int | None:
    """`usage.total_tokens`; None where there is no usage, which is not the same as 0."""
    usage = document.get("usage")
    return int(usage["total_tokens"]) if usage else None
