"""Bodies of /v1/messages, and the chat request each of them stands for."""

import json
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from mock_vllm.errors import ApiError
from mock_vllm.openai.requests import (
    ChatRequest,
    FunctionDefinition,
    JsonSchemaFormat,
    Message,
    ResponseFormat,
    Tool,
)


class AnthropicMessage(msgspec.Struct):
    """A turn; content is a text or typed blocks. `ctx` and `msg` are what some clients call a user's turn."""

    role: Literal["user", "assistant", "system", "ctx", "msg"]
    content: str | list[dict[str, Any]]


class AnthropicTool(msgspec.Struct):
    """A tool with the JSON schema of its input."""

    name: str
    input_schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class AnthropicToolChoice(msgspec.Struct):
    """Whether and which tool must be called."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None

    def __post_init__(self) -> None:
        if self.type == "tool" and not self.name:
            raise ValueError("tool_choice.name is required when type is 'tool'")


class JsonOutput(msgspec.Struct):
    """JSON of a schema."""

    type: Literal["json_schema"] = "json_schema"
    schema: dict[str, Any] | None = None


class OutputConfig(msgspec.Struct):
    """How hard to think, and the shape of the text."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: JsonOutput | None = None


class CountRequest(msgspec.Struct):
    """Body of POST /v1/messages/count_tokens. Unlike the OpenAI endpoints this one asks for a model."""

    model: Annotated[str, Meta(min_length=1)]
    messages: list[AnthropicMessage]
    system: str | list[dict[str, Any]] | None = None
    tools: list[AnthropicTool] | None = None
    tool_choice: AnthropicToolChoice | None = None
    chat_template_kwargs: dict[str, Any] | None = None


class MessagesRequest(CountRequest, kw_only=True):
    """Body of POST /v1/messages."""

    max_tokens: int
    stream: bool | None = False
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    metadata: dict[str, Any] | None = None
    output_config: OutputConfig | None = None


def messages_of(request: CountRequest) -> list[Message]:
    """The conversation as chat messages: one system text first, tool results as messages of role tool."""
    system = [_texts(request.system)] if request.system else []
    system += [_texts(turn.content) for turn in request.messages if turn.role == "system"]
    found = [Message("system", "".join(system))] if any(system) else []
    for turn in request.messages:
        if turn.role != "system":
            found += _turn(turn)
    return found


def _turn(turn: AnthropicMessage) -> list[Message]:
    """A turn as the tool results in it, each a message of its own, and what is left."""
    role = "assistant" if turn.role == "assistant" else "user"
    if isinstance(turn.content, str):
        return [Message(role, turn.content)]
    found: list[Message] = []
    calls, rest = [], []
    for block in turn.content:
        kind = block.get("type")
        if kind == "tool_use":
            function = {"name": block.get("name"), "arguments": json.dumps(block.get("input") or {})}
            calls.append({"id": block.get("id"), "type": "function", "function": function})
        elif kind == "tool_result":
            found += _result(block)
        elif kind not in ("thinking", "redacted_thinking"):  # the template leaves past reasoning out
            rest.append(block)
    if rest or calls:
        content = _texts(rest, "\n") if all(block.get("type") == "text" for block in rest) else rest
        found.append(Message(role, content, tool_calls=calls or None))
    return found


def _result(block: dict[str, Any]) -> list[Message]:
    """A tool's result: its text, and its images as a user's message, since no tool's message may hold them."""
    content = block.get("content") or ""
    blocks = content if isinstance(content, list) else []
    images = [one for one in blocks if isinstance(one, dict) and one.get("type") == "image"]
    shown = content if isinstance(content, str) else [one for one in blocks if one not in images]
    found = [Message("tool", _texts(shown, "\n"), tool_call_id=str(block.get("tool_use_id")))]
    return [*found, Message("user", images)] if images else found


def _texts(content: Any, between: str = "") -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise ApiError("content must be a text or a list of blocks", param="content")
    return between.join([str(block.get("text") or "") for block in content if isinstance(block, dict)])


def tools_of(request: CountRequest) -> list[Tool] | None:
    """The tools as chat tools."""
    if request.tools is None:
        return None
    return [
        Tool(FunctionDefinition(tool.name, tool.description, {"type": "object", **tool.input_schema}))
        for tool in request.tools
    ]


def chat_request(request: MessagesRequest) -> ChatRequest:
    """The chat request that this one stands for."""
    choice: str | dict[str, Any] | None = None
    wanted, output = request.tool_choice, request.output_config
    if wanted is not None:
        named = {"type": "function", "function": {"name": wanted.name}}
        choice = {"auto": "auto", "any": "required", "none": "none"}.get(wanted.type) or named
    return ChatRequest(
        messages=messages_of(request),
        model=request.model,
        max_tokens=request.max_tokens,
        stream=request.stream,
        stop=request.stop_sequences,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        tools=tools_of(request),
        tool_choice=choice,
        parallel_tool_calls=not (wanted is not None and wanted.disable_parallel_tool_use),
        chat_template_kwargs=request.chat_template_kwargs,
        reasoning_effort=output.effort if output is not None else None,
        response_format=_format(output),
    )


def _format(output: OutputConfig | None) -> ResponseFormat | None:
    if output is None or output.format is None or output.format.schema is None:
        return None
    return ResponseFormat("json_schema", JsonSchemaFormat("json_schema", output.format.schema))
