"""Tools: which calls a request leads to, and the checks vLLM makes of `tools` and `tool_choice`.

With `tool_choice` auto a tool is called when the last message is the user's and none when it is a tool's result, so that agent loops end.
The tool whose name stands in that message is called; without one, `crc32(prompt)` chooses. Arguments are valid against its schema.
A call costs 1 token for its head and the tokens of its arguments.
"""

import json
import zlib
from dataclasses import dataclass
from typing import Any, Final

from mock_vllm.answers.answer import Call
from mock_vllm.errors import ApiError, invalid
from mock_vllm.openai.requests import ChatRequest, Tool
from mock_vllm.structured.pattern import Unsatisfiable
from mock_vllm.structured.schema import instance

USAGE: Final = 'Correct usage: `{"type": "function", "function": {"name": "my_function"}}`'


@dataclass(frozen=True, slots=True)
class Choice:
    """What becomes of the tools: `mode` none, auto, required or named."""

    mode: str
    tools: tuple[Tool, ...] = ()


def tool_choice(request: ChatRequest, *, auto_allowed: bool) -> Choice:
    """Reads `tools` and `tool_choice`. Raises ApiError as vLLM's validators do."""
    tools, wanted = request.tools, request.tool_choice
    if tools is not None and not tools:
        raise invalid(
            "`tools` must not be an empty array. Either provide at least one tool or omit the field entirely.", "tools"
        )
    if wanted is None:
        wanted = "auto" if tools else "none"
    if wanted == "none":
        return Choice("none")
    if tools is None:
        raise invalid("When using `tool_choice`, `tools` must be set.", "tool_choice")
    if isinstance(wanted, dict):
        return Choice("named", (_named(tools, wanted),))
    if wanted not in ("auto", "required"):
        raise invalid(
            f'Invalid value for `tool_choice`: {wanted}! Only named tools, "none", "auto" or "required" are supported.',
            "tool_choice",
        )
    if wanted == "auto" and not auto_allowed:
        raise ApiError('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set')
    return Choice(wanted, tuple(tools))


def _named(tools: list[Tool], wanted: dict[str, Any]) -> Tool:
    function = wanted.get("function")
    if not isinstance(function, dict):
        raise invalid(f"Invalid value for `function`: `{function}` in `tool_choice`! {USAGE}", "tool_choice.function")
    if "name" not in function:
        raise invalid(f"Expected field `name` in `function` in `tool_choice`! {USAGE}", "tool_choice.function.name")
    name = function["name"]
    if not isinstance(name, str) or not name:
        raise invalid(f"Invalid `name` in `function`: `{name}` in `tool_choice`! {USAGE}", "tool_choice.function.name")
    for tool in tools:
        if tool.function.name == name:
            return tool
    raise invalid("The tool specified in `tool_choice` does not match any of the specified `tools`", "tool_choice")


def calls(choice: Choice, request: ChatRequest, last_text: str, prompt: bytes, seed: int) -> list[Call]:
    """The calls to make; none when text is the answer. Raises ApiError when no arguments fit a tool's schema."""
    if choice.mode == "none" or (choice.mode == "auto" and request.messages and request.messages[-1].role != "user"):
        return []
    mixed = zlib.crc32(prompt) + seed
    named = [tool for tool in choice.tools if tool.function.name in last_text]
    if not named:
        named = [choice.tools[mixed % len(choice.tools)]]
    chosen = named if request.parallel_tool_calls is not False else named[:1]
    return [Call(tool.function.name, _arguments(tool, mixed)) for tool in chosen]


def _arguments(tool: Tool, seed: int) -> str:
    schema = tool.function.parameters
    if not schema:
        return "{}"
    try:
        return json.dumps(instance({"type": "object", **schema}, seed), ensure_ascii=False)
    except Unsatisfiable as error:
        raise ApiError(f"Failed to build arguments for the tool {tool.function.name}: {error}", param="tools") from None
