"""The `response` object and its items, with the fields of vLLM."""

from typing import Any

from mock_vllm.answers.answer import Answer, Part
from mock_vllm.openai.chat import call_id
from mock_vllm.openai.generation import Generation
from mock_vllm.openai.reported import reported
from mock_vllm.responses.requests import ResponsesRequest


def parts_of(answer: Answer) -> list[Part]:
    """The items of an answer."""
    found = answer.parts if answer.parts is not None else [Part("content", 0, answer.length)]
    return [part for part in found if part.end > part.begin]


def item_id(reply: Generation, part: Part, number: int) -> str:
    """The id of output item `number`: derived from the response's id, so that whole and streamed items agree."""
    prefix = {"reasoning": "rs", "call": "fc", "content": "msg"}[part.kind]
    return f"{prefix}_{reply.identity.removeprefix('resp_')}_{number}"


def item(reply: Generation, answer: Answer, part: Part, number: int, *, whole: bool = True) -> dict[str, Any]:
    """Output item `number`; without `whole` as it is when its first token comes."""
    text = "".join(answer.pieces[part.begin : part.end]) if whole else ""
    named = {"id": item_id(reply, part, number), "status": "completed" if whole else "in_progress"}
    if part.kind == "reasoning":
        content = [{"type": "reasoning_text", "text": text}] if whole else None
        return {**named, "type": "reasoning", "summary": [], "content": content, "encrypted_content": None}
    if part.call is not None:
        called = call_id(reply.identity, 0, number)
        return {**named, "type": "function_call", "call_id": called, "name": part.call.name, "arguments": text}
    content = [text_part(text, logprobs(reply, answer, part.begin, part.end))] if whole else []
    return {**named, "type": "message", "role": "assistant", "content": content}


def text_part(text: str, shown: list[Any] | None) -> dict[str, Any]:
    """A part of a message that is text."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": shown}


def logprobs(reply: Generation, answer: Answer, begin: int, end: int) -> list[Any] | None:
    """Log probabilities of the tokens from `begin` to `end`; None when nobody asked for them."""
    show = reply.show
    if show.logprobs is None or show.probabilities is None:
        return None
    return [show.probabilities.chat(answer.tokens[i], i, show.logprobs) for i in range(begin, end)]


def usage(reply: Generation) -> dict[str, Any] | None:
    """The usage object; None when a fault leaves it out. The counts by turn are those of built-in tools, of which there are none."""
    found = reported(reply)
    if found is None:
        return None
    return {
        "input_tokens": found.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": found.cached_tokens or 0,
            "input_tokens_per_turn": [],
            "cached_tokens_per_turn": [],
        },
        "output_tokens": found.completion_tokens,
        "output_tokens_details": {
            "reasoning_tokens": found.reasoning_tokens or 0,
            "tool_output_tokens": 0,
            "output_tokens_per_turn": [],
            "tool_output_tokens_per_turn": [],
        },
        "total_tokens": found.prompt_tokens + found.completion_tokens,
    }


def response(reply: Generation, request: ResponsesRequest, status: str, limit: int) -> dict[str, Any]:
    """The response object; without output and usage until it is complete. `limit`: tokens the answer may have at most."""
    done = status in ("completed", "incomplete")
    items = []
    if done:
        answer = reply.answers[0]
        items = [item(reply, answer, part, number) for number, part in enumerate(parts_of(answer))]
    return {
        "id": reply.identity,
        "created_at": reply.created,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": request.instructions,
        "metadata": request.metadata,
        "model": reply.name,
        "object": "response",
        "output": items,
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "tool_choice": request.tool_choice,
        "tools": request.tools,
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "background": bool(request.background),
        "max_output_tokens": limit,
        "max_tool_calls": request.max_tool_calls,
        "previous_response_id": request.previous_response_id,
        "prompt": None,
        "reasoning": request.reasoning,
        "service_tier": request.service_tier or "auto",
        "status": status,
        "text": request.text,
        "top_logprobs": reply.show.logprobs,
        "truncation": request.truncation or "disabled",
        "usage": usage(reply) if done else None,
        "user": request.user,
        "input_messages": None,
        "output_messages": None,
    }


def final_status(answer: Answer) -> str:
    """`incomplete` when the limit has cut the answer off."""
    return "incomplete" if answer.finish_reason == "length" else "completed"
