"""Inference requests as values: which endpoint, which URL style, how many tokens, streamed or not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from harness.platforms.platform import ModelHandle

Endpoint = Literal["chat", "completions", "responses", "messages", "embeddings"]
Style = Literal["path", "body"]
PATHS: Final[dict[Endpoint, str]] = {
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "embeddings": "/v1/embeddings",
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for tokens; `include_usage` None leaves `stream_options` out, as most clients do.

    Only chat and text completions know `stream_options`; responses and messages always state their usage, and embeddings
    neither stream nor generate. `changes` lie on top of the body, for requests that are wrong on purpose.
    """

    endpoint: Endpoint = "chat"
    style: Style = "path"
    prompt: str = "Count to five."
    max_tokens: int = 8
    stream: bool = False
    include_usage: bool | None = None
    changes: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def base(self, gateway: str, model: ModelHandle) -> str:
        """Where a client is pointed to: path style names the model in the URL, body style in the body alone."""
        return f"{gateway}{model.path if self.style == 'path' else ''}"

    def url(self, gateway: str, model: ModelHandle) -> str:
        """The whole URL."""
        return f"{self.base(gateway, model)}{PATHS[self.endpoint]}"

    def body(self, model: ModelHandle) -> dict[str, Any]:
        """The JSON document."""
        body: dict[str, Any] = {"model": model.served_name if self.style == "path" else model.model_id}
        messages = [{"role": "user", "content": self.prompt}]
        match self.endpoint:
            case "chat" | "messages":
                body |= {"max_tokens": self.max_tokens, "messages": messages}
            case "completions":
                body |= {"max_tokens": self.max_tokens, "prompt": self.prompt}
            case "responses":
                body |= {"max_output_tokens": self.max_tokens, "input": self.prompt}
            case "embeddings":
                body |= {"input": self.prompt}
        if self.stream:
            body["stream"] = True
        if self.include_usage is not None:
            body["stream_options"] = {"include_usage": self.include_usage}
        return body | dict(self.changes)


CHAT = Ask()
STREAM = Ask(stream=True)
