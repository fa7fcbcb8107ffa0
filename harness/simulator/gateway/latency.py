"""How long requests took, by subscription, from the access log: under the name and labels that Istio's proxies give it.

Envoy has no histogram by subscription. Its access log knows both, and is read when somebody asks: a gateway that nobody scrapes pays
nothing.
"""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from harness.simulator.exposition import CONTENT_TYPE, Histogram, Labels, exposition

BOUNDS_MS = (0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000)
NAME = "istio_request_duration_milliseconds"
UNKNOWN = "unknown"
"""What Istio writes where it does not know."""
PIECE = 8 * 1024 * 1024


class LatencyLog:
    """Reads the log on from where it stopped; a log that became shorter was begun anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._durations = Histogram(BOUNDS_MS)

    def text(self) -> str:
        """Prometheus text of everything that the log has said so far. Takes as long as the news are: call it in a thread."""
        self._read()
        return exposition(
            [self._durations.family(NAME, "Milliseconds from a request's first byte to its answer's last.")]
        )

    def _read(self) -> None:
        try:
            with self._path.open("rb") as log:
                if log.seek(0, 2) < self._offset:
                    self._offset = 0
                log.seek(self._offset)
                while piece := log.read(PIECE):
                    whole, newline, _ = piece.rpartition(b"\n")
                    for line in whole.splitlines():
                        self._take(line)
                    self._offset += len(whole) + len(newline)
                    if not newline:
                        return
                    log.seek(self._offset)
        except FileNotFoundError:
            return

    def _take(self, line: bytes) -> None:
        try:
            entry: dict[str, Any] = orjson.loads(line)
            self._durations.observe(labels_of(entry), float(entry["duration_ms"]))
        except (ValueError, KeyError, TypeError):
            return  # Envoy writes whole lines of JSON; what is none of ours is not counted


def labels_of(entry: dict[str, Any]) -> Labels:
    """The labels of one request."""
    subscription = str(entry.get("subscription") or "").partition("@")[0].rpartition("/")[2]
    gateway = "/".join(str(entry.get("listener") or "").split("/")[:2])
    return (
        ("reporter", "source"),
        ("source_workload", gateway or UNKNOWN),
        ("response_code", str(entry.get("status") or 0)),
        ("subscription", subscription or UNKNOWN),
    )


def scraped(path: Path, envoy: str) -> Starlette:
    """`/metrics`: durations by subscription, then Envoy's own statistics. `envoy`: where its administrative endpoint listens."""
    log = LatencyLog(path)
    turn = asyncio.Lock()
    client = httpx.AsyncClient(base_url=envoy, timeout=2.0, trust_env=False)

    async def metrics(_request: Request) -> Response:
        async with turn:
            text = await asyncio.to_thread(log.text)
        try:
            own = (await client.get("/stats/prometheus")).raise_for_status().text
        except httpx.HTTPError:
            own = ""  # Envoy is being started anew
        return Response(text + own, media_type=CONTENT_TYPE)

    return Starlette(routes=[Route("/metrics", metrics)])
