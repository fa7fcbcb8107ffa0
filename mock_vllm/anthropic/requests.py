"""Bodies of /v1/messages, and the chat request each of them stands for."""

import json
from typing import Any, Literal

import msgspec

from mock_vllm.errors import ApiError
from mock_vllm.openai.requests import ChatRequest, FunctionDefinition, Message, Tool


class AnthropicMessage(msgspec.Struct):
    """A turn; content is a text or typed blocks."""

    role: Literal["user", "assistant"]
    content: str | list[dict[str, Any]]


class AnthropicTool(msgspec.Struct):
    """A tool with the JSON schema of its input."""

    name: str
    input_schema: dict[str, Any]
    description: str | None = None


class AnthropicToolChoice(msgspec.Struct):
    """Whether and which tool must be called."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None


class CountRequest(msgspec.Struct):
    """Body of POST /v1/messages/count_tokens."""

    messages: list[AnthropicMessage]
    model: str | None = None
    system: str | list[dict[str, Any]] | None = None
    tools: list[AnthropicTool] | None = None
    tool_choice: AnthropicToolChoice | None = None


class MessagesRequest(CountRequest, kw_only=True):
    """Body of POST /v1/messages."""

    max_tokens: int
    stream: bool | None = False
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None


def messages_of(request: CountRequest) -> list[Message]:
    """The conversation as chat messages: the system text first, tool results as messages of role tool."""
    found = []
    if request.system:
        found.append(Message("system", _joined(request.system)))
    for turn in request.messages:
        blocks = turn.content if isinstance(turn.content, list) else [{"type": "text", "text": turn.content}]
        calls = [block for block in blocks if block.get("type") == "tool_use"]
        results = [block for block in blocks if block.get("type") == "tool_result"]
        rest = [block for block in blocks if block.get("type") not in ("tool_use", "tool_result")]
        found += [
            Message("tool", _joined(block.get("content") or ""), tool_call_id=str(block.get("tool_use_id")))
            for block in results
        ]
        if rest or calls:
            made = [
                {
                    "id": call.get("id"),
                    "function": {"name": call.get("name"), "arguments": json.dumps(call.get("input"))},
                }
                for call in calls
            ]
            found.append(Message(turn.role, _content(rest), tool_calls=made or None))
    return found


def _content(blocks: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    return _joined(blocks) if all(block.get("type") == "text" for block in blocks) else blocks


def _joined(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise ApiError("content must be a text or a list of blocks", param="content")
    return "\n".join([str(block.get("text", "")) for block in content if isinstance(block, dict)])


def tools_of(request: CountRequest) -> list[Tool] | None:
    """The tools as chat tools."""
    if request.tools is None:
        return None
    return [Tool(FunctionDefinition(tool.name, tool.description, tool.input_schema)) for tool in request.tools]


def chat_request(request: MessagesRequest) -> ChatRequest:
    """The chat request that this one stands for."""
    choice: str | dict[str, Any] | None = None
    if request.tool_choice is not None:
        wanted = request.tool_choice
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
    )
