"""What an OpenAI-style answer says about tokens: the `usage` object, and whether a streamed chunk carries text.

The last `usage` of a stream counts: servers with continuous usage statistics send a growing one in every chunk, and
adding them up would charge a request many times over.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeGuard

import orjson

from harness.client.exchange import Usage

DONE: Final = "[DONE]"
_TEXT_FIELDS: Final = ("content", "reasoning", "reasoning_content", "tool_calls", "refusal")


def parse_json(text: bytes | str) -> Any:
    """A JSON value, or None when the text is none: an error page is an answer too."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def usage_of(document: Any) -> Usage | None:
    """The usage of one JSON document; None when it is absent, null, or not made of whole numbers.

    `input_tokens`/`output_tokens` are the names of the Responses and Messages protocols. A missing total is not
    invented: those servers that leave it out are exactly the ones that go uncharged.
    """
    usage = document.get("usage") if isinstance(document, Mapping) else None
    if not isinstance(usage, Mapping):
        return None
    prompt = usage.get("prompt_tokens", usage.get("input_tokens"))
    completion = usage.get("completion_tokens", usage.get("output_tokens", 0))
    total = usage.get("total_tokens")
    if not (_is_count(prompt) and _is_count(completion) and _is_count(total)):
        return None
    return Usage(prompt, completion, total)


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def last_usage(events: Iterable[str]) -> Usage | None:
    """The usage that a finished stream settled on; None when no event carried one."""
    found: Usage | None = None
    for event in events:
        if event != DONE and '"usage"' in event:
            found = usage_of(parse_json(event)) or found
    return found


def carries_text(event: str) -> bool:
    """Whether a chunk brings the reader something: content, reasoning, a tool call, or completion text (never the role chunk)."""
    document = None if event == DONE else parse_json(event)
    if not isinstance(document, Mapping):
        return False
    return any(_choice_has_text(choice) for choice in document.get("choices") or () if isinstance(choice, Mapping))


def _choice_has_text(choice: Mapping[str, Any]) -> bool:
    if choice.get("text"):
        return True
    delta = choice.get("delta")
    return isinstance(delta, Mapping) and any(delta.get(name) for name in _TEXT_FIELDS)
