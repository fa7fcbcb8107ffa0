"""What the three books of tokens say of a failed check: what its client was told, what model servers did, what was charged."""

from collections.abc import Callable, Collection, Iterable
from typing import Final

from harness.client.exchange import Exchange
from harness.engine.evidence import connected
from harness.engine.redaction import redact
from harness.ledger.counters import PlatformBook
from harness.ledger.journal import ADMIN_URL, Entry, Journals, JournalUnreadable
from harness.outcome import Fault
from harness.platforms.platform import Platform

LINES: Final = 100
"""Lines of one book that a report carries."""


def book_slices(
    platform: Platform, exchanges: Collection[Exchange], named: Collection[str]
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Per book its lines about these exchanges, and about subscriptions whose names hold one of `named`; and what could not be read.

    A book that the platform does not show, or that says nothing of them, is left out.
    """
    sources: dict[str, Callable[[], Iterable[str]]] = {
        "client": lambda: map(_told, exchanges),
        "model servers": lambda: _arrivals(platform, exchanges),
        "platform": lambda: _charges(platform, named),
    }
    books: dict[str, tuple[str, ...]] = {}
    unavailable: list[str] = []
    for name, read in sources.items():
        try:
            lines = tuple(redact(line) for line in read())[-LINES:]
        except Fault as fault:
            unavailable.append(f"book of the {name}: {redact(str(fault))}")
            continue
        if lines:
            books[name] = lines
    return books, tuple(unavailable)


def _told(exchange: Exchange) -> str:
    usage = exchange.usage
    tokens = f"{usage.total_tokens} tokens" if usage else "no usage"
    return f"{exchange.request_id} {exchange.request.method} {exchange.request.url}: {exchange.status or exchange.error}, {tokens}"


def _arrivals(platform: Platform, exchanges: Collection[Exchange]) -> Iterable[str]:
    """Every arrival of each request: none for one that was refused on its way, two for one that something repeated."""
    asked = [exchange.request_id for exchange in exchanges if exchange.request.method == "POST"]
    if platform.kubeconfig is None or not asked:
        return
    cluster = connected(platform.kubeconfig)
    annotations = [pod["metadata"].get("annotations") or {} for pod in cluster.objects("v1", "Pod")]
    for url in sorted({found[ADMIN_URL] for found in annotations if found.get(ADMIN_URL)}):
        journal = Journals([url])
        try:
            yield from (_arrival(entry) for request_id in asked for entry in journal.of(request_id))
        except JournalUnreadable:
            yield f"the model server {url} could not be asked"  # it may belong to another check, and be gone with it
        finally:
            journal.close()


def _arrival(entry: Entry) -> str:
    counted = "not counted" if entry.total_tokens is None else f"{entry.total_tokens} tokens"
    aborted = ", broken off" if entry.aborted else ""
    return f"{entry.request_id} {entry.path} for {entry.model} at {entry.server}: {entry.status}, {counted}{aborted}"


def _charges(platform: Platform, named: Collection[str]) -> Iterable[str]:
    """The counters of the subscriptions that are meant, as they stood when the check had failed."""
    url = platform.endpoints.metrics
    if url is None or not named:
        return ()
    book = PlatformBook(url)
    try:
        return [
            f"{sample.metric}{{{', '.join(f'{key}={value}' for key, value in sample.labels.items())}}} {sample.value:g}"
            for sample in book.read().samples
            if any(name in sample.labels.get("subscription", "") for name in named)
        ]
    finally:
        book.close()
