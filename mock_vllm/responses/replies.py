"""Replies of /v1/responses: one object, or events that build it item by item."""

from collections.abc import Callable
from typing import Any

import msgspec

from mock_vllm.answers.answer import Answer, Part
from mock_vllm.engine.sequence import Sequence
from mock_vllm.openai.generation import Whole
from mock_vllm.openai.stream import Stream
from mock_vllm.responses.requests import ResponsesRequest
from mock_vllm.responses.response import final_status, item, item_id, logprobs, parts_of, response, text_part

encode = msgspec.json.encode
Keep = Callable[[dict[str, Any]], None]
DELTAS = {
    "content": "response.output_text.delta",
    "reasoning": "response.reasoning_text.delta",
    "call": "response.function_call_arguments.delta",
}


class ResponseWhole(Whole):
    """One `response` object; `keep` is told of it. `limit`: tokens the answer may have at most."""

    request: ResponsesRequest
    keep: Keep
    limit: int

    def body(self) -> bytes:
        """See `Whole`."""
        made = response(self, self.request, final_status(self.answers[0]), self.limit)
        self.keep(made)
        return encode(made)


class ResponseStream(Stream):
    """Events from response.created to response.completed, which comes last even where the limit has cut the answer off."""

    KIND = b"response"
    request: ResponsesRequest
    keep: Keep
    limit: int
    number = 0

    def opening(self) -> list[bytes]:
        """response.created and response.in_progress."""
        made = response(self, self.request, "in_progress", self.limit)
        return [
            self._event("response.created", {"response": made}),
            self._event("response.in_progress", {"response": made}),
        ]

    def frames(self, sequence: Sequence, begin: int, end: int) -> bytes:
        """See `Stream`."""
        answer = self.answers[0]
        found: list[bytes] = []
        step = self.show.interval
        for one, other in [(begin, end)] if step == 1 else self.spans(begin, end, sequence.length):
            for number, part in enumerate(parts_of(answer)):
                low, high = max(one, part.begin), min(other, part.end)
                if low >= high:
                    continue
                if low == part.begin:
                    found += self._begun(answer, part, number)
                tokens = [(low, high)] if step > 1 else [(i, i + 1) for i in range(low, high)]
                found += self._deltas(sequence, part, number, tokens)
                if high == part.end:
                    found += self._ended(answer, part, number)
        return b"".join(found)

    def closing(self) -> list[bytes]:
        """response.completed."""
        made = response(self, self.request, final_status(self.answers[0]), self.limit)
        self.keep(made)
        return [] if self._unended else [self._event("response.completed", {"response": made})]

    @property
    def _unended(self) -> bool:
        return self.fault is not None and self.fault.kind == "missing_done"

    def settle(self, delivered: int, usage: bool) -> None:
        """See `Generation`; usage stands in the last event, which a fault may leave out."""
        super().settle(delivered, usage and not self._unended)

    def _deltas(self, sequence: Sequence, part: Part, number: int, tokens: list[tuple[int, int]]) -> list[bytes]:
        """The events of tokens, `begin` to `end` each; made of their JSON texts, since all else in them is the same."""
        answer = self.answers[0]
        kind = DELTAS[part.kind].encode()
        head = b'event: %b\ndata: {"type":"%b","sequence_number":' % (kind, kind)
        place = b',"item_id":%b,"output_index":%d,' % (encode(item_id(self, part, number)), number)
        place += b'"delta":' if part.kind == "call" else b'"content_index":0,"delta":'
        found = []
        for begin, end in tokens:
            text = self.text_of(sequence, begin, end)
            if text == b'""':
                continue
            after = b""
            if part.kind == "content":
                after = b',"logprobs":%b' % encode(logprobs(self, answer, begin, end) or [])
            found.append(b"%b%d%b%b%b}\n\n" % (head, self.number, place, text, after))
            self.number += 1
        return found

    def _begun(self, answer: Answer, part: Part, number: int) -> list[bytes]:
        shown = item(self, answer, part, number, whole=False)
        found = [self._event("response.output_item.added", {"output_index": number, "item": shown})]
        if part.kind != "call":
            found.append(self._event("response.content_part.added", self._part(part, number, "", [])))
        return found

    def _ended(self, answer: Answer, part: Part, number: int) -> list[bytes]:
        text = "".join(answer.pieces[part.begin : part.end])
        place: dict[str, Any] = {"item_id": item_id(self, part, number), "output_index": number}
        if part.call is not None:
            place |= {"arguments": text, "name": part.call.name}
            found = [self._event("response.function_call_arguments.done", place)]
        else:
            shown = logprobs(self, answer, part.begin, part.end)
            done = place | {"content_index": 0, "text": text}
            kind = "response.reasoning_text.done"
            if part.kind == "content":
                kind, done = "response.output_text.done", done | {"logprobs": shown or []}
            found = [
                self._event(kind, done),
                self._event("response.content_part.done", self._part(part, number, text, shown)),
            ]
        whole = {"output_index": number, "item": item(self, answer, part, number)}
        return [*found, self._event("response.output_item.done", whole)]

    def _part(self, part: Part, number: int, text: str, shown: list[Any] | None) -> dict[str, Any]:
        content = text_part(text, shown) if part.kind == "content" else {"type": "reasoning_text", "text": text}
        return {"item_id": item_id(self, part, number), "output_index": number, "content_index": 0, "part": content}

    def _event(self, kind: str, fields: dict[str, Any]) -> bytes:
        data = encode({"type": kind, "sequence_number": self.number, **fields})
        self.number += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)
