"""The chat template: how a conversation becomes one prompt, and how many tokens that is.

Each message is `<|role|>` + content + `<|end|>`, and the prompt ends with `<|assistant|>`; those marks are one token each. So

    prompt tokens = 1 + sum over messages (2 + tokens(content))
"""

from collections.abc import Iterable
from typing import Any, Final

from mock_vllm.tokens.tokenizer import Tokenizer

ROLES: Final = {"developer": "system", "function": "tool"}
MARKS: Final = 2
GENERATION_PROMPT: Final = 1


def content_text(content: str | list[dict[str, Any]] | None) -> str:
    """The text of a message's content: parts of type text are joined by newlines, as vLLM's default format does."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content if part.get("type") in ("text", "input_text"))


def count_chat(tokenizer: Tokenizer, contents: Iterable[str]) -> int:
    """Prompt tokens of a conversation with these contents."""
    count = tokenizer.count
    return GENERATION_PROMPT + sum(MARKS + count(text) for text in contents)
