"""Replies of /v1/responses: one object, or events that build it item by item."""

from typing import Any

import msgspec

from mock_vllm.answers.answer import Answer, Part
from mock_vllm.engine.sequence import Sequence
from mock_vllm.openai.chat import call_id
from mock_vllm.openai.generation import Generation, Whole
from mock_vllm.openai.stream import Stream
from mock_vllm.responses.requests import ResponsesRequest

encode = msgspec.json.encode


def parts_of(answer: Answer) -> list[Part]:
    """The items of an answer."""
    found = answer.parts if answer.parts is not None else [Part("content", 0, answer.length)]
    return [part for part in found if part.end > part.begin]


def item(reply: Generation, answer: Answer, number: int, *, upto: int | None = None) -> dict[str, Any]:
    """Output item `number`; with `upto` only what is known of it at that token, still in progress."""
    part = parts_of(answer)[number]
    text = "".join(answer.pieces[part.begin : part.end if upto is None else upto])
    status = "completed" if upto is None else "in_progress"
    identity = f"{reply.identity.removeprefix('resp_')}_{number}"
    if part.kind == "reasoning":
        content = [{"type": "reasoning_text", "text": text}] if text else []
        return {
            "id": f"rs_{identity}",
            "type": "reasoning",
            "summary": [],
            "content": content,
            "encrypted_content": None,
            "status": status,
        }
    if part.call is not None:
        called = call_id(reply.identity, 0, number)
        fields = {"call_id": called, "name": part.call.name, "arguments": text, "status": status}
        return {"id": f"fc_{identity}", "type": "function_call", **fields}
    content = [text_part(text)] if upto is None else []
    return {"id": f"msg_{identity}", "type": "message", "role": "assistant", "content": content, "status": status}


def text_part(text: str) -> dict[str, Any]:
    """A part of a message that is text."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": None}


def response(reply: Generation, request: ResponsesRequest, status: str) -> dict[str, Any]:
    """The response object; without output and usage until it is complete."""
    done = status in ("completed", "incomplete")
    answer = reply.answers[0]
    found = reply.usage()
    usage = {
        "input_tokens": found.prompt_tokens,
        "input_tokens_details": {"cached_tokens": found.cached_tokens or 0},
        "output_tokens": found.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": found.reasoning_tokens or 0},
        "total_tokens": found.prompt_tokens + found.completion_tokens,
    }
    return {
        "id": reply.identity,
        "object": "response",
        "created_at": reply.created,
        "status": status,
        "background": bool(request.background),
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "metadata": request.metadata,
        "model": reply.name,
        "output": [item(reply, answer, number) for number in range(len(parts_of(answer)))] if done else [],
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id,
        "reasoning": request.reasoning,
        "service_tier": request.service_tier or "auto",
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "text": request.text,
        "tool_choice": request.tool_choice or "auto",
        "tools": request.tools,
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "truncation": request.truncation or "disabled",
        "usage": usage if done else None,
        "user": request.user,
    }


def final_status(answer: Answer) -> str:
    """`incomplete` when the limit has cut the answer off."""
    return "incomplete" if answer.finish_reason == "length" else "completed"


class ResponseWhole(Whole):
    """One `response` object; `keep` is told of it."""

    request: ResponsesRequest
    keep: Any

    def body(self) -> bytes:
        """See `Whole`."""
        made = response(self, self.request, final_status(self.answers[0]))
        self.keep(made)
        return encode(made)


class ResponseStream(Stream):
    """Events from response.created to response.completed."""

    KIND = b"response"
    request: ResponsesRequest
    keep: Any
    number = 0

    def opening(self) -> list[bytes]:
        """response.created and response.in_progress."""
        made = response(self, self.request, "in_progress")
        return [
            self._event("response.created", {"response": made}),
            self._event("response.in_progress", {"response": made}),
        ]

    def frames(self, sequence: Sequence, begin: int, end: int) -> bytes:
        """See `Stream`."""
        answer = self.answers[0]
        found: list[bytes] = []
        for number, part in enumerate(parts_of(answer)):
            for token in range(max(begin, part.begin), min(end, part.end)):
                if token == part.begin:
                    found += self._begun(answer, part, number)
                if answer.pieces[token]:
                    found.append(self._delta(answer, part, number, answer.pieces[token]))
                if token == part.end - 1:
                    found += self._ended(answer, part, number)
        return b"".join(found)

    def closing(self) -> list[bytes]:
        """response.completed or response.incomplete."""
        status = final_status(self.answers[0])
        made = response(self, self.request, status)
        self.keep(made)
        return [self._event(f"response.{status}", {"response": made})]

    def _place(self, answer: Answer, number: int) -> dict[str, Any]:
        return {"item_id": item(self, answer, number)["id"], "output_index": number}

    def _begun(self, answer: Answer, part: Part, number: int) -> list[bytes]:
        shown = item(self, answer, number, upto=part.begin)
        found = [self._event("response.output_item.added", {"output_index": number, "item": shown})]
        if part.kind == "content":
            place = self._place(answer, number) | {"content_index": 0, "part": text_part("")}
            found.append(self._event("response.content_part.added", place))
        return found

    def _delta(self, answer: Answer, part: Part, number: int, text: str) -> bytes:
        place = self._place(answer, number) | {"delta": text}
        if part.call is not None:
            return self._event("response.function_call_arguments.delta", place)
        if part.kind == "reasoning":
            return self._event("response.reasoning_text.delta", place | {"content_index": 0})
        return self._event("response.output_text.delta", place | {"content_index": 0, "logprobs": []})

    def _ended(self, answer: Answer, part: Part, number: int) -> list[bytes]:
        text = "".join(answer.pieces[part.begin : part.end])
        place = self._place(answer, number)
        found = []
        if part.call is not None:
            found.append(
                self._event(
                    "response.function_call_arguments.done", place | {"arguments": text, "name": part.call.name}
                )
            )
        elif part.kind == "reasoning":
            found.append(self._event("response.reasoning_text.done", place | {"content_index": 0, "text": text}))
        else:
            found.append(
                self._event("response.output_text.done", place | {"content_index": 0, "text": text, "logprobs": []})
            )
            found.append(
                self._event("response.content_part.done", place | {"content_index": 0, "part": text_part(text)})
            )
        done = {"output_index": number, "item": item(self, answer, number)}
        return [*found, self._event("response.output_item.done", done)]

    def _event(self, kind: str, fields: dict[str, Any]) -> bytes:
        data = encode({"type": kind, "sequence_number": self.number, **fields})
        self.number += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)
