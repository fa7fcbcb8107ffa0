"""The chat template: how a conversation becomes one prompt, and how many tokens that is.

Each message is `<|role|>` + content + `<|end|>`, and the prompt ends with `<|assistant|>`; those marks are one token each. So

    prompt tokens = 1 + sum over messages (2 + tokens(content))

Content parts of type text are joined by newlines; every other part (image, audio, video) is `<|image|>`, which stands for
`IMAGE_TOKENS` tokens. Tool calls of an assistant's message follow its content as compact JSON. Tools come first, as a message whose
content is their compact JSON. A tokenizer that knows none of the marks counts each of them as one token all the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from mock_vllm.tokens.tokenizer import Tokenizer

MARKS: Final = 2
GENERATION_PROMPT: Final = 1
IMAGE_TOKENS: Final = 64
TEXT_PARTS: Final = ("text", "input_text", "output_text", "refusal")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt: `key` is what decides the answer, `roles` and `contents` the messages, `images` parts that are no text."""

    contents: list[str]
    roles: list[str]
    images: int
    open_end: bool = True

    def count(self, tokenizer: Tokenizer) -> int:
        """Prompt tokens."""
        counted = tokenizer.count
        texts = sum([counted(text) for text in self.contents])
        return texts + MARKS * len(self.contents) + GENERATION_PROMPT * self.open_end + self.images * IMAGE_TOKENS

    def key(self) -> bytes:
        """What decides the answer: all contents."""
        return "\n".join(self.contents).encode("utf-8", "surrogatepass")

    def text(self) -> str:
        """The prompt as text, marks included."""
        body = "".join([f"<|{role}|>{content}<|end|>" for role, content in zip(self.roles, self.contents, strict=True)])
        return body + ("<|assistant|>" if self.open_end else "")

    def ids(self, tokenizer: Tokenizer) -> list[int]:
        """The id of every prompt token, marks included."""
        found: list[int] = []
        for role, content in zip(self.roles, self.contents, strict=True):
            found += [tokenizer.special(f"<|{role}|>"), *tokenizer.encode(content), tokenizer.special("<|end|>")]
        found += [tokenizer.special("<|image|>")] * (self.images * IMAGE_TOKENS)
        return [*found, tokenizer.special("<|assistant|>")] if self.open_end else found

    def pieces(self, tokenizer: Tokenizer) -> list[str]:
        """The text of every prompt token, marks included."""
        found: list[str] = []
        for role, content in zip(self.roles, self.contents, strict=True):
            found.append(f"<|{role}|>")
            found += tokenizer.split(content)
            found.append("<|end|>")
        found += ["<|image|>"] * (self.images * IMAGE_TOKENS)
        return [*found, "<|assistant|>"] if self.open_end else found


def content_text(content: str | Sequence[dict[str, Any]] | None) -> tuple[str, int]:
    """The text of a message's content and the number of its parts that are no text."""
    if content is None:
        return "", 0
    if isinstance(content, str):
        return content, 0
    texts = [str(part.get("text") or part.get("refusal") or "") for part in content if part.get("type") in TEXT_PARTS]
    return "\n".join(texts), len(content) - len(texts)


def render(messages: Sequence[Any], tools: Sequence[Any] | None = None, *, open_end: bool = True) -> Rendered:
    """The prompt of a conversation; `messages` have role, content and tool_calls."""
    contents: list[str] = []
    roles: list[str] = []
    images = 0
    if tools:
        contents.append(msgspec.json.encode(tools).decode())
        roles.append("tools")
    for message in messages:
        content = message.content
        if type(content) is not str:
            content, more = content_text(content)
            images += more
        if message.tool_calls:
            content += msgspec.json.encode(message.tool_calls).decode()
        contents.append(content)
        roles.append(message.role)
    return Rendered(contents, roles, images, open_end)
