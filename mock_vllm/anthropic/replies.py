"""Replies of /v1/messages: one message, or events that build it block by block."""

import json
from typing import Any, Final

import msgspec

from mock_vllm.answers.answer import Answer, Part
from mock_vllm.engine.sequence import Sequence
from mock_vllm.openai.chat import call_id
from mock_vllm.openai.generation import Generation, Whole
from mock_vllm.openai.stream import DONE, Stream

encode = msgspec.json.encode
REASONS: Final = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def parts_of(reply: Generation, answer: Answer) -> list[Part]:
    """The blocks of an answer."""
    found = answer.parts if answer.parts is not None else [Part("content", 0, answer.length)]
    return [part for part in found if part.end > part.begin and (part.kind != "reasoning" or reply.show.reasoning)]


def ending(answer: Answer) -> dict[str, Any]:
    """stop_reason and stop_sequence."""
    if isinstance(answer.stop_reason, str):
        return {"stop_reason": "stop_sequence", "stop_sequence": answer.stop_reason}
    named = answer.finish_reason == "stop" and any(part.kind == "call" for part in answer.parts or ())
    return {"stop_reason": "tool_use" if named else REASONS[answer.finish_reason], "stop_sequence": None}


def counts(reply: Generation) -> dict[str, int]:
    """The usage object."""
    found = reply.usage()
    return {"input_tokens": found.prompt_tokens, "output_tokens": found.completion_tokens}


class MessageWhole(Whole):
    """One `message` object."""

    def body(self) -> bytes:
        """See `Whole`."""
        answer = self.answers[0]
        content = [self._block(answer, part, number) for number, part in enumerate(parts_of(self, answer))]
        head = {"id": self.identity, "type": "message", "role": "assistant", "content": content, "model": self.name}
        return encode(head | ending(answer) | {"usage": counts(self)})

    def _block(self, answer: Answer, part: Part, number: int) -> dict[str, Any]:
        text = "".join(answer.pieces[part.begin : part.end])
        if part.kind == "reasoning":
            return {"type": "thinking", "thinking": text, "signature": ""}
        if part.call is None:
            return {"type": "text", "text": text}
        try:
            given = json.loads(text)
        except json.JSONDecodeError:
            given = {}  # arguments that the limit has cut off are no input
        return {"type": "tool_use", "id": call_id(self.identity, 0, number), "name": part.call.name, "input": given}


class MessageStream(Stream):
    """Events from message_start to message_stop."""

    KIND = b"message"

    def opening(self) -> list[bytes]:
        """message_start."""
        usage = {"input_tokens": self.prompts[0].tokens, "output_tokens": 0}
        message: dict[str, Any] = {
            "id": self.identity,
            "type": "message",
            "role": "assistant",
            "content": [],
            "model": self.name,
        }
        message |= {"stop_reason": None, "stop_sequence": None, "usage": usage}
        return [_event("message_start", {"message": message})]

    def frames(self, sequence: Sequence, begin: int, end: int) -> bytes:
        """See `Stream`."""
        answer = self.answers[0]
        found = []
        for number, part in enumerate(parts_of(self, answer)):
            for token in range(max(begin, part.begin), min(end, part.end)):
                if token == part.begin:
                    found.append(
                        _event("content_block_start", {"index": number, "content_block": self._start(part, number)})
                    )
                if answer.pieces[token]:
                    found.append(
                        _event("content_block_delta", {"index": number, "delta": _delta(part, answer.pieces[token])})
                    )
                if token == part.end - 1:
                    found.append(_event("content_block_stop", {"index": number}))
        return b"".join(found)

    def closing(self) -> list[bytes]:
        """message_delta, message_stop and the end mark."""
        return [
            _event("message_delta", {"delta": ending(self.answers[0]), "usage": counts(self)}),
            _event("message_stop", {}),
            DONE,
        ]

    def _start(self, part: Part, number: int) -> dict[str, Any]:
        if part.kind == "reasoning":
            return {"type": "thinking", "thinking": "", "signature": ""}
        if part.call is None:
            return {"type": "text", "text": ""}
        return {"type": "tool_use", "id": call_id(self.identity, 0, number), "name": part.call.name, "input": {}}


def _delta(part: Part, text: str) -> dict[str, str]:
    if part.kind == "reasoning":
        return {"type": "thinking_delta", "thinking": text}
    return (
        {"type": "text_delta", "text": text}
        if part.call is None
        else {"type": "input_json_delta", "partial_json": text}
    )


def _event(kind: str, fields: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), encode({"type": kind, **fields}))
