"""What a whole answer looks like in each protocol: its documents in their order, its ending, and where it states its usage.

Each function says in a few words what is wrong, or None. An official client hands out no `[DONE]`, so that is asked of our own alone.
"""

from collections.abc import Sequence
from typing import Any, Final

from harness.client.completion import DONE, counts_of, documents_of, last_counts, parse_json, text_of
from harness.client.exchange import Exchange
from harness.engine.failure import NotConformant
from harness.world.expectations import describe, expect_served
from harness.world.inference import Ask

_LAST_EVENTS: Final = ("response.completed", "response.incomplete")


def expect_whole(exchange: Exchange, ask: Ask, *, when: str = "everything is granted") -> Exchange:
    """A 200 with the whole answer to that request, and usage where the protocol has it, once. Raises NotConformant."""
    expect_served(exchange, when=when)
    wrong = (
        exchange.error
        or exchange.raised
        or (_wrong_stream(exchange, ask) if ask.stream else _wrong_body(exchange, ask))
    )
    if wrong:
        raise NotConformant(
            expected=f"the whole answer of a {'streamed ' if ask.stream else ''}{ask.endpoint} request",
            observed=f"{wrong}: {describe(exchange)}",
            exchange=exchange,
        )
    return exchange


def seems_whole(exchange: Exchange, ask: Ask) -> bool:
    """Whether a reader would take it for a finished answer: what a broken one must never look like."""
    if exchange.status != 200 or exchange.error or exchange.raised:
        return False
    return (_wrong_stream(exchange, ask) if ask.stream else _wrong_body(exchange, ask)) is None


def _wrong_body(exchange: Exchange, ask: Ask) -> str | None:
    document = parse_json(exchange.body)
    media = (exchange.header("content-type") or "").lower()
    if not media.startswith("application/json"):
        return f"its content-type is {media!r}, not application/json"
    if not isinstance(document, dict):
        return "the body is no JSON object"
    if counts_of(document) is None:
        return "it states no usage"
    if ask.endpoint == "embeddings":
        vectors = [one.get("embedding") for one in document.get("data") or ()]
        return None if vectors and all(vectors) else "it holds no embedding"
    return None if text_of(exchange) else "it holds no text"


def _wrong_stream(exchange: Exchange, ask: Ask) -> str | None:
    if not (exchange.header("content-type") or "").lower().startswith("text/event-stream"):
        return f"its content-type is {exchange.header('content-type')!r}, not text/event-stream"
    documents = documents_of(exchange)
    if not all(isinstance(document, dict) for document in documents):
        return "an event is no JSON object"
    if ask.endpoint == "responses":
        return _wrong_response(documents)
    if ask.endpoint == "messages":
        return _wrong_message(documents)
    if exchange.client == "http" and (exchange.events[-1:] != (DONE,) or exchange.events.count(DONE) != 1):
        return "it does not end with one [DONE]"
    return _wrong_chunks(documents)


def _wrong_chunks(documents: Sequence[dict[str, Any]]) -> str | None:
    """Chat and text completions: chunks of one id, one finish_reason, then at most the closing chunk, which alone states usage."""
    if len({document.get("id") for document in documents}) != 1:
        return "its chunks do not have one id"
    choices = [choice for document in documents for choice in document.get("choices") or ()]
    if [choice.get("finish_reason") is not None for choice in choices].count(True) != 1:
        return "it does not have exactly one finish_reason"
    if choices[-1].get("finish_reason") is None:
        return "choices follow its finish_reason"
    stating = [number for number, document in enumerate(documents) if document.get("usage") is not None]
    if stating != [len(documents) - 1]:
        return f"usage stands in {len(stating)} of {len(documents)} chunks, not in the last one alone"
    return None if documents[-1].get("choices") == [] else "the chunk with the usage has choices"


def _wrong_response(documents: Sequence[dict[str, Any]]) -> str | None:
    """Responses: created, in progress, items, completed; numbered without a gap; usage in the last event."""
    kinds = [str(document.get("type")) for document in documents]
    if kinds[:1] != ["response.created"] or kinds[-1] not in _LAST_EVENTS:
        return f"it goes from {kinds[:1]} to {kinds[-1:]}"
    if [document.get("sequence_number") for document in documents] != list(range(len(documents))):
        return "its sequence_numbers are not 0, 1, 2, …"
    if kinds.count("response.output_item.added") != kinds.count("response.output_item.done"):
        return "an item of it was not closed"
    return None if counts_of(documents[-1]) else "its last event states no usage"


def _wrong_message(documents: Sequence[dict[str, Any]]) -> str | None:
    """Messages: start, blocks that are opened and closed, delta with the stop_reason and the usage, stop."""
    kinds = [str(document.get("type")) for document in documents if document.get("type") != "ping"]
    if kinds[:1] != ["message_start"] or kinds[-2:] != ["message_delta", "message_stop"]:
        return f"it goes from {kinds[:1]} to {kinds[-2:]}"
    if kinds.count("content_block_start") != kinds.count("content_block_stop"):
        return "a block of it was not closed"
    if not (documents[-2].get("delta") or {}).get("stop_reason"):
        return "it names no stop_reason"
    if counts_of(documents[0]) is None:
        return "its first event states no usage"
    return None if counts_of(documents[-2]) else "its message_delta states no usage"


def tokens_of(exchange: Exchange) -> int | None:
    """Prompt and generated tokens together, as the answer states them in whatever words; None when it does not."""
    counts = last_counts(exchange)
    return None if counts is None else sum(counts)
