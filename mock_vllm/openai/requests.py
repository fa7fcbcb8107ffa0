"""Request bodies of the OpenAI endpoints; fields nobody knows are ignored, as vLLM does."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from mock_vllm.openai.usage import StreamOptions


class Message(msgspec.Struct, omit_defaults=True):
    """One message of a conversation."""

    role: str
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None


class Common(msgspec.Struct, kw_only=True):
    """What chat and text completions share."""

    model: str | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    seed: int | None = None
    n: Annotated[int, Meta(ge=1)] = 1
    stop: str | list[str] | None = None


class ChatRequest(Common, kw_only=True):
    """Body of POST /v1/chat/completions."""

    messages: list[Message]
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None


class CompletionRequest(Common, kw_only=True):
    """Body of POST /v1/completions."""

    prompt: str | list[str | int | list[int]]
    max_tokens: Annotated[int, Meta(ge=0)] | None = 16
