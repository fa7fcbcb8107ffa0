"""What an answer says, in each of the protocols: its tokens (`usage`), its text, and whether a streamed event carries any.

The last `usage` of a stream counts: servers with continuous usage statistics send a growing one in every chunk, and
adding them up would charge a request many times over.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeGuard

import orjson

from harness.client.exchange import Exchange, Usage

DONE: Final = "[DONE]"
_DELTAS: Final = ("text.delta", "arguments.delta", "content_block_delta")
"""How the types of events end that carry a piece of a response or of a message."""
_TEXT_FIELDS: Final = ("content", "reasoning", "reasoning_content", "tool_calls", "refusal")


def parse_json(text: bytes | str) -> Any:
    """A JSON value, or None when the text is none: an error page is an answer too."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def usage_of(document: Any) -> Usage | None:
    """The usage of one JSON document; None when it is absent, null, or not made of whole numbers.

    A missing total is not invented: those servers that leave it out are exactly the ones that go uncharged.
    """
    counts, total = counts_of(document), (_usage(document) or {}).get("total_tokens")
    return Usage(*counts, total) if counts is not None and _is_count(total) else None


def counts_of(document: Any) -> tuple[int, int] | None:
    """Prompt and generated tokens as one JSON document states them, with or without a total; None when it does not.

    `input_tokens`/`output_tokens` are the names of the Responses and Messages protocols.
    """
    usage = _usage(document)
    if usage is None:
        return None
    prompt = usage.get("prompt_tokens", usage.get("input_tokens"))
    completion = usage.get("completion_tokens", usage.get("output_tokens", 0))
    return (prompt, completion) if _is_count(prompt) and _is_count(completion) else None


def _usage(document: Any) -> Mapping[str, Any] | None:
    """The usage object: of the document, or of the response or message that a streamed event tells of."""
    if not isinstance(document, Mapping):
        return None
    for holder in (document, document.get("response"), document.get("message")):
        usage = holder.get("usage") if isinstance(holder, Mapping) else None
        if isinstance(usage, Mapping):
            return usage
    return None


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def last_usage(events: Iterable[str]) -> Usage | None:
    """The usage that a finished stream settled on; None when no event carried one."""
    found: Usage | None = None
    for event in events:
        if event != DONE and '"usage"' in event:
            found = usage_of(parse_json(event)) or found
    return found


def last_counts(exchange: Exchange) -> tuple[int, int] | None:
    """Prompt and generated tokens that an answer settled on, streamed or whole; None when it states none."""
    documents = documents_of(exchange)
    return next((counts for document in reversed(documents) if (counts := counts_of(document)) is not None), None)


def documents_of(exchange: Exchange) -> list[Any]:
    """The JSON documents of an answer: its body, or the data of its events; what is no JSON is None."""
    if exchange.events:
        return [parse_json(event) for event in exchange.events if event != DONE]
    return [parse_json(exchange.body)]


def text_of(exchange: Exchange) -> str:
    """What the answer says, streamed or in one piece, without reasoning and tool calls."""
    if exchange.events:
        return "".join(map(streamed_text, documents_of(exchange)))
    return whole_text(parse_json(exchange.body))


def whole_text(document: Any) -> str:
    """The text of an answer in one piece; nothing when it has none."""
    if not isinstance(document, Mapping):
        return ""
    choices = [choice for choice in document.get("choices") or () if isinstance(choice, Mapping)]
    texts = [choice.get("text") or (choice.get("message") or {}).get("content") for choice in choices]
    items = [item for item in document.get("output") or () if isinstance(item, Mapping)]
    parts = [part for item in items for part in item.get("content") or ()]
    parts += document.get("content") or ()
    texts += [part.get("text") for part in parts if isinstance(part, Mapping)]
    return "".join(str(text) for text in texts if text)


def streamed_text(document: Any) -> str:
    """The text that one event adds."""
    if not isinstance(document, Mapping):
        return ""
    delta = document.get("delta")
    if document.get("type") == "response.output_text.delta":
        return str(delta or "")
    if document.get("type") == "content_block_delta":
        return str((delta or {}).get("text") or "")
    choices = [choice for choice in document.get("choices") or () if isinstance(choice, Mapping)]
    return "".join(str(choice.get("text") or (choice.get("delta") or {}).get("content") or "") for choice in choices)


def carries_text(event: str) -> bool:
    """Whether an event brings the reader something: content, reasoning, a tool call, or completion text (never the role chunk)."""
    document = None if event == DONE else parse_json(event)
    if not isinstance(document, Mapping):
        return False
    if str(document.get("type", "")).endswith(_DELTAS):
        return True
    return any(_choice_has_text(choice) for choice in document.get("choices") or () if isinstance(choice, Mapping))


def _choice_has_text(choice: Mapping[str, Any]) -> bool:
    if choice.get("text"):
        return True
    delta = choice.get("delta")
    return isinstance(delta, Mapping) and any(delta.get(name) for name in _TEXT_FIELDS)
