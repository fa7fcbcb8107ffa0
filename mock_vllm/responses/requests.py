"""Body of POST /v1/responses, and the chat request it stands for."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from mock_vllm.errors import ApiError, invalid
from mock_vllm.openai.requests import (
    ChatRequest,
    FunctionDefinition,
    Int64,
    JsonSchemaFormat,
    Message,
    ResponseFormat,
    StructuredOutputs,
    Tool,
)

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
LOGPROBS = "message.output_text.logprobs"


class Reasoning(msgspec.Struct):
    """How hard to think."""

    effort: Effort | None = None
    summary: str | None = None
    generate_summary: str | None = None


class TextFormat(msgspec.Struct, omit_defaults=True):
    """The shape of the text: plain, any JSON, or JSON of a schema."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema: dict[str, Any] | None = None
    description: str | None = None
    strict: bool | None = None


class Text(msgspec.Struct, omit_defaults=True):
    """Options of the answer's text."""

    format: TextFormat | None = None
    verbosity: str | None = None


class ResponsesRequest(msgspec.Struct, kw_only=True):
    """A text or items, instructions before them, and what went before that; the fields from `top_k` on are vLLM's own."""

    input: str | list[dict[str, Any]]
    model: str | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    include: list[str] | None = None
    stream: bool | None = False
    store: bool | None = True
    background: bool | None = False
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = 0
    tools: list[dict[str, Any]] = []
    tool_choice: str | dict[str, Any] = "auto"
    parallel_tool_calls: bool | None = True
    reasoning: Reasoning | None = None
    text: Text | None = None
    prompt: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    truncation: Literal["auto", "disabled"] | None = "disabled"
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None = "auto"
    top_k: int | None = None
    seed: Int64 | None = None
    stop: str | list[str] | None = None
    ignore_eos: bool = False
    include_stop_str_in_output: bool = False
    repetition_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    structured_outputs: StructuredOutputs | None = None
    cache_salt: Annotated[str, Meta(min_length=1)] | None = None
    request_id: str | None = None


def check_response(request: ResponsesRequest) -> None:
    """Raises ApiError for what vLLM's validators of this body refuse."""
    if request.background and request.store is False:
        raise invalid("background can only be used when `store` is true", None)
    if request.prompt is not None:
        raise invalid("prompt template is not supported", "prompt")
    if request.structured_outputs is not None and request.text is not None and request.text.format is not None:
        raise ApiError("Cannot specify both structured_outputs and text.format", param="structured_outputs")


def items_to_messages(items: str | list[dict[str, Any]]) -> list[Message]:
    """Input or output items as chat messages. Raises ApiError for an item of an unknown kind."""
    if isinstance(items, str):
        return [Message("user", items)]
    found = []
    for item in items:
        kind = item.get("type", "message")
        if kind == "message":
            found.append(Message(str(item.get("role", "user")), _content(item.get("content"))))
        elif kind == "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            found.append(Message("assistant", None, tool_calls=[{"id": item.get("call_id"), "function": function}]))
        elif kind == "function_call_output":
            found.append(Message("tool", _content(item.get("output")), tool_call_id=str(item.get("call_id"))))
        elif kind != "reasoning":
            raise ApiError(f"an input item of type {kind!r} is not supported", param="input")
    return found


def _content(content: Any) -> str | list[dict[str, Any]]:
    if isinstance(content, str) or (isinstance(content, list) and all(isinstance(one, dict) for one in content)):
        return content
    raise ApiError("the content of an input item must be a text or a list of parts", param="input")


def chat_request(request: ResponsesRequest, before: list[Message]) -> ChatRequest:
    """The chat request that this one stands for; `before` is the conversation so far."""
    start = [Message("system", request.instructions)] if request.instructions else []
    tools = [_tool(tool) for tool in request.tools] or None
    return ChatRequest(
        messages=[*start, *before, *items_to_messages(request.input)],
        model=request.model,
        max_tokens=request.max_output_tokens,
        stream=request.stream,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        seed=request.seed,
        stop=request.stop or None,
        ignore_eos=request.ignore_eos,
        include_stop_str_in_output=request.include_stop_str_in_output,
        repetition_penalty=request.repetition_penalty,
        logit_bias=request.logit_bias,
        structured_outputs=request.structured_outputs,
        cache_salt=request.cache_salt,
        request_id=request.request_id,
        logprobs=LOGPROBS in (request.include or ()),
        top_logprobs=request.top_logprobs,
        tools=tools,
        tool_choice=_choice(request.tool_choice) if tools else None,
        parallel_tool_calls=request.parallel_tool_calls,
        reasoning_effort=request.reasoning.effort if request.reasoning else None,
        response_format=_format(request.text.format if request.text else None),
    )


def _choice(wanted: str | dict[str, Any]) -> str | dict[str, Any]:
    """The choice as a chat request words it: a function by its name, or how a set of allowed tools is to be used."""
    if isinstance(wanted, dict) and "name" in wanted:
        return {"type": "function", "function": {"name": wanted["name"]}}
    if isinstance(wanted, dict) and wanted.get("type") == "allowed_tools":
        return str(wanted.get("mode", "auto"))
    return wanted


def _tool(tool: dict[str, Any]) -> Tool:
    if tool.get("type") != "function" or not isinstance(tool.get("name"), str):
        raise ApiError(f"only function tools with a name are supported, got {tool.get('type')!r}", param="tools")
    try:
        return Tool(msgspec.convert({key: tool[key] for key in tool if key != "type"}, FunctionDefinition))
    except msgspec.ValidationError as error:
        raise ApiError(f"the tool {tool['name']!r} does not fit: {error}", param="tools") from None


def _format(wanted: TextFormat | None) -> ResponseFormat | None:
    if wanted is None:
        return None
    schema = JsonSchemaFormat(wanted.name or "schema", wanted.schema) if wanted.type == "json_schema" else None
    return ResponseFormat(wanted.type, schema)
