"""Body of POST /v1/responses, and the chat request it stands for."""

from typing import Any, Literal

import msgspec

from mock_vllm.errors import ApiError
from mock_vllm.openai.requests import ChatRequest, FunctionDefinition, JsonSchemaFormat, Message, ResponseFormat, Tool

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Reasoning(msgspec.Struct):
    """How hard to think."""

    effort: Effort | None = None
    summary: str | None = None


class TextFormat(msgspec.Struct):
    """The shape of the text: plain, any JSON, or JSON of a schema."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class Text(msgspec.Struct):
    """Options of the answer's text."""

    format: TextFormat | None = None
    verbosity: str | None = None


class ResponsesRequest(msgspec.Struct, kw_only=True):
    """A text or items, instructions before them, and what went before that."""

    input: str | list[dict[str, Any]]
    model: str | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    max_output_tokens: int | None = None
    stream: bool | None = False
    store: bool | None = True
    background: bool | None = False
    temperature: float | None = None
    top_p: float | None = None
    tools: list[dict[str, Any]] = []
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = True
    reasoning: Reasoning | None = None
    text: Text | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    truncation: Literal["auto", "disabled"] | None = "disabled"
    service_tier: str | None = None
    seed: int | None = None


def items_to_messages(items: str | list[dict[str, Any]]) -> list[Message]:
    """Input or output items as chat messages. Raises ApiError for an item of an unknown kind."""
    if isinstance(items, str):
        return [Message("user", items)]
    found = []
    for item in items:
        kind = item.get("type", "message")
        if kind == "message":
            content = item.get("content")
            if not isinstance(content, str | list) or (
                isinstance(content, list) and not all(isinstance(one, dict) for one in content)
            ):
                raise ApiError("the content of an input message must be a text or a list of parts", param="input")
            found.append(Message(str(item.get("role", "user")), content))
        elif kind == "function_call":
            call = {
                "id": item.get("call_id"),
                "function": {"name": item.get("name"), "arguments": item.get("arguments")},
            }
            found.append(Message("assistant", None, tool_calls=[call]))
        elif kind == "function_call_output":
            found.append(Message("tool", str(item.get("output", "")), tool_call_id=str(item.get("call_id"))))
        elif kind != "reasoning":
            raise ApiError(f"an input item of type {kind!r} is not supported", param="input")
    return found


def chat_request(request: ResponsesRequest, before: list[Message]) -> ChatRequest:
    """The chat request that this one stands for; `before` is the conversation so far."""
    start = [Message("system", request.instructions)] if request.instructions else []
    choice = request.tool_choice
    if isinstance(choice, dict) and "name" in choice:
        choice = {"type": "function", "function": {"name": choice["name"]}}
    return ChatRequest(
        messages=[*start, *before, *items_to_messages(request.input)],
        model=request.model,
        max_tokens=request.max_output_tokens,
        stream=request.stream,
        temperature=request.temperature,
        top_p=request.top_p,
        seed=request.seed,
        tools=[_tool(tool) for tool in request.tools] or None,
        tool_choice=choice,
        parallel_tool_calls=request.parallel_tool_calls,
        reasoning_effort=request.reasoning.effort if request.reasoning else None,
        response_format=_format(request.text.format if request.text else None),
    )


def _tool(tool: dict[str, Any]) -> Tool:
    if tool.get("type") != "function" or not isinstance(tool.get("name"), str):
        raise ApiError(f"only function tools with a name are supported, got {tool.get('type')!r}", param="tools")
    parameters = tool.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise ApiError("the parameters of a tool must be a JSON schema", param="tools")
    return Tool(FunctionDefinition(tool["name"], None, parameters))


def _format(wanted: TextFormat | None) -> ResponseFormat | None:
    if wanted is None:
        return None
    schema = JsonSchemaFormat(wanted.name or "schema", wanted.schema) if wanted.type == "json_schema" else None
    return ResponseFormat(wanted.type, schema)
