"""Replies of /v1/messages: one message, or events that build it block by block. No `[DONE]` follows the last event."""

import json
import zlib
from typing import Any, Final

import msgspec

from mock_vllm.answers.answer import Answer, Part
from mock_vllm.engine.sequence import Sequence
from mock_vllm.openai.chat import call_id
from mock_vllm.openai.generation import Generation, Whole
from mock_vllm.openai.reported import reported
from mock_vllm.openai.stream import Stream

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


def counts(reply: Generation) -> dict[str, Any]:
    """The member `usage`; nothing when a fault leaves it out."""
    found = reported(reply)
    if found is None:
        return {}
    return {"usage": {"input_tokens": found.prompt_tokens, "output_tokens": found.completion_tokens}}


def signature(reply: Generation, number: int) -> str:
    """The signature of a block of thinking: 32 hexadecimal digits, the same whole and streamed."""
    return "".join(f"{zlib.crc32(f'{reply.identity}/{number}/{i}'.encode()):08x}" for i in range(4))


class MessageWhole(Whole):
    """One `message` object."""

    def body(self) -> bytes:
        """See `Whole`."""
        answer = self.answers[0]
        content = [self._block(answer, part, number) for number, part in enumerate(parts_of(self, answer))]
        head = {"id": self.identity, "type": "message", "role": "assistant", "content": content, "model": self.name}
        return encode(head | ending(answer) | counts(self))

    def _block(self, answer: Answer, part: Part, number: int) -> dict[str, Any]:
        text = "".join(answer.pieces[part.begin : part.end])
        if part.kind == "reasoning":
            return {"type": "thinking", "thinking": text, "signature": signature(self, number)}
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
        head = {"id": self.identity, "type": "message", "role": "assistant", "content": [], "model": self.name}
        usage = {"input_tokens": self.prompts[0].tokens, "output_tokens": 0}
        message = head | {"stop_reason": None, "stop_sequence": None, "usage": usage}
        return [_event("message_start", {"message": message})]

    def frames(self, sequence: Sequence, begin: int, end: int) -> bytes:
        """See `Stream`."""
        answer = self.answers[0]
        found: list[bytes] = []
        step = self.show.interval
        for one, other in [(begin, end)] if step == 1 else self.spans(begin, end, sequence.length):
            for number, part in enumerate(parts_of(self, answer)):
                low, high = max(one, part.begin), min(other, part.end)
                if low < high:
                    pieces = answer.pieces[low:high] if step == 1 else ["".join(answer.pieces[low:high])]
                    found += self._block(part, number, pieces, first=low == part.begin, last=high == part.end)
        return b"".join(found)

    def _block(self, part: Part, number: int, pieces: list[str], *, first: bool, last: bool) -> list[bytes]:
        found = [_delta(number, part, piece) for piece in pieces if piece]
        if first:
            shown = {"index": number, "content_block": self._start(part, number)}
            found.insert(0, _event("content_block_start", shown))
        if last:
            found += self._stop(part, number)
        return found

    def closing(self) -> list[bytes]:
        """message_delta and message_stop."""
        last = [_event("message_delta", {"delta": ending(self.answers[0]), **counts(self)})]
        if self.fault is None or self.fault.kind != "missing_done":
            last.append(_event("message_stop", {}))
        return last

    def _stop(self, part: Part, number: int) -> list[bytes]:
        found = [_event("content_block_stop", {"index": number})]
        if part.kind == "reasoning":
            signed = {"type": "signature_delta", "signature": signature(self, number)}
            found.insert(0, _event("content_block_delta", {"index": number, "delta": signed}))
        return found

    def _start(self, part: Part, number: int) -> dict[str, Any]:
        if part.kind == "reasoning":
            return {"type": "thinking", "thinking": "", "signature": ""}
        if part.call is None:
            return {"type": "text", "text": ""}
        return {"type": "tool_use", "id": call_id(self.identity, 0, number), "name": part.call.name, "input": {}}


def _delta(number: int, part: Part, text: str) -> bytes:
    if part.kind == "reasoning":
        delta = {"type": "thinking_delta", "thinking": text}
    elif part.call is None:
        delta = {"type": "text_delta", "text": text}
    else:
        delta = {"type": "input_json_delta", "partial_json": text}
    return _event("content_block_delta", {"index": number, "delta": delta})


def _event(kind: str, fields: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), encode({"type": kind, **fields}))
