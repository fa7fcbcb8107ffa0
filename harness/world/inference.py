"""Inference requests as values: which endpoint, which URL style, how many tokens, streamed or not."""

from dataclasses import dataclass
from typing import Any, Literal

from harness.platforms.platform import ModelHandle

Endpoint = Literal["chat", "completions"]
Style = Literal["path", "body"]
_PATHS = {"chat": "/v1/chat/completions", "completions": "/v1/completions"}


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for tokens; `include_usage` None leaves `stream_options` out, as most clients do."""

    endpoint: Endpoint = "chat"
    style: Style = "path"
    prompt: str = "Count to five."
    max_tokens: int = 8
    stream: bool = False
    include_usage: bool | None = None

    def url(self, gateway: str, model: ModelHandle) -> str:
        """Path style names the model in the URL, body style in the body alone."""
        return f"{gateway}{model.path if self.style == 'path' else ''}{_PATHS[self.endpoint]}"

    def body(self, model: ModelHandle) -> dict[str, Any]:
        """The JSON document."""
        body: dict[str, Any] = {
            "model": model.served_name if self.style == "path" else model.model_id,
            "max_tokens": self.max_tokens,
        }
        if self.endpoint == "chat":
            body["messages"] = [{"role": "user", "content": self.prompt}]
        else:
            body["prompt"] = self.prompt
        if self.stream:
            body["stream"] = True
        if self.include_usage is not None:
            body["stream_options"] = {"include_usage": self.include_usage}
        return body


CHAT = Ask()
STREAM = Ask(stream=True)
