"""Replies of /v1/chat/completions, in the key order of vLLM."""

import zlib
from typing import Any, Final

import msgspec

from mock_vllm.answers.answer import Answer, Part
from mock_vllm.engine.sequence import Sequence
from mock_vllm.openai.generation import Generation, Whole
from mock_vllm.openai.stream import Stream

encode = msgspec.json.encode
MIDDLE: Final = b'},"logprobs":null,"finish_reason":null,"token_ids":null}]}\n\n'


def call_id(identity: str, index: int, number: int) -> str:
    """The id of a tool call: derived from the reply's id, so that repeated parts of a stream agree."""
    return f"chatcmpl-tool-{zlib.crc32(f'{identity}/{index}/{number}'.encode()):08x}{index:04x}{number:04x}"


def logprobs_text(reply: Generation, answer: Answer, begin: int, end: int) -> bytes:
    """`logprobs` of a choice or chunk for the tokens from `begin` to `end`."""
    show = reply.show
    if show.logprobs is None or show.probabilities is None:
        return b"null"
    top, source = show.logprobs, show.probabilities
    return encode({"content": [source.chat(answer.tokens[i], i, top) for i in range(begin, end)]})


def ids_text(reply: Generation, answer: Answer, begin: int, end: int) -> bytes:
    """`token_ids` of a choice or chunk."""
    if not reply.show.token_ids:
        return b"null"
    tokenizer = reply.model.tokenizer
    return encode([(tokenizer.encode(token) or [tokenizer.eos])[0] for token in answer.tokens[begin:end]])


def prompt_ids_text(reply: Generation, number: int = 0) -> bytes:
    """`prompt_token_ids`: the ids of a prompt when token ids are asked for."""
    if not reply.show.token_ids:
        return b"null"
    prompt = reply.prompts[number]
    return encode(prompt.ids or reply.model.tokenizer.encode(prompt.text))


class ChatWhole(Whole):
    """One `chat.completion` object."""

    prompt_logprobs: Any = None

    def body(self) -> bytes:
        """See `Whole`."""
        choices = [
            b'{"index":%d,"message":%b,"logprobs":%b,"finish_reason":"%b","stop_reason":%b,"token_ids":%b}'
            % (
                index,
                self._message(answer, index),
                logprobs_text(self, answer, 0, answer.length),
                answer.finish_reason.encode(),
                b"null" if answer.stop_reason is None else encode(answer.stop_reason),
                ids_text(self, answer, 0, answer.length),
            )
            for index, answer in enumerate(self.answers)
        ]
        usage = self.usage_text(self.usage(), nulls=True)
        return (
            b'{"id":%b,"object":"chat.completion","created":%d,"model":%b,"choices":[%b],"service_tier":null,"system_fingerprint":null,'
            b'%b"prompt_logprobs":%b,"prompt_token_ids":%b,"kv_transfer_params":null}'
            % (
                encode(self.identity),
                self.created,
                encode(self.name),
                b",".join(choices),
                b"" if usage is None else b'"usage":%b,' % usage,
                b"null" if self.prompt_logprobs is None else encode(self.prompt_logprobs),
                prompt_ids_text(self),
            )
        )

    def _message(self, answer: Answer, index: int) -> bytes:
        if answer.parts is None:
            content, calls, reasoning = encode(answer.text), b"[]", b"null"
        else:
            shown = answer.text_of("content")
            made = [part for part in answer.parts if part.kind == "call"]
            named = made and answer.finish_reason != "tool_calls"
            content = encode("" if named and shown is None else shown)
            calls = b"[%b]" % b",".join([self._call(part, answer, index, number) for number, part in enumerate(made)])
            reasoning = encode(answer.text_of("reasoning") if self.show.reasoning else None)
        return (
            b'{"role":"assistant","content":%b,"refusal":null,"annotations":null,"audio":null,"function_call":null,'
            b'"tool_calls":%b,"%b":%b}' % (content, calls, self.show.reasoning_key.encode(), reasoning)
        )

    def _call(self, part: Part, answer: Answer, index: int, number: int) -> bytes:
        assert part.call is not None
        arguments = "".join(answer.pieces[part.begin : part.end])
        return encode(
            {
                "id": call_id(self.identity, index, number),
                "type": "function",
                "function": {"name": part.call.name, "arguments": arguments},
            }
        )


class ChatStream(Stream):
    """`chat.completion.chunk` events."""

    __slots__ = ()
    KIND = b"chat.completion.chunk"
    PLAIN_CHUNKS = True

    def opening(self) -> list[bytes]:
        """The role chunk of each choice."""
        chunks = []
        for sequence in self.sequences:
            usage = self.usage_member(sequence, 0) if self.rule.continuous else b""
            chunks.append(
                b'%b{"index":%d,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],'
                b'"prompt_token_ids":%b%b}\n\n' % (self.head, sequence.index, prompt_ids_text(self), usage)
            )
        return chunks

    def frames(self, sequence: Sequence, begin: int, end: int) -> bytes:
        """See `Stream`."""
        answer = self.answers[sequence.index]
        if (
            end - begin == 1
            and end < sequence.length
            and answer.parts is None
            and self.show.plain
            and not self.rule.continuous
        ):
            if not self.befores:
                self.befores = [
                    b'%b{"index":%d,"delta":{"content":' % (self.head, number) for number in range(len(self.answers))
                ]
            return self.befores[sequence.index] + answer.encoded[begin] + MIDDLE
        if answer.parts is not None or not self.show.plain:
            return b"".join(
                [self._chunks(sequence, answer, one, other) for one, other in self.spans(begin, end, sequence.length)]
            )
        before = b'%b{"index":%d,"delta":{"content":' % (self.head, sequence.index)
        after = b'},"logprobs":null,"finish_reason":null,"token_ids":null}'
        if end < sequence.length:
            return self.joined(sequence, range(begin, end), before, after)
        last = b'},"logprobs":null,"finish_reason":"%b","stop_reason":%b,"token_ids":null}' % (
            answer.finish_reason.encode(),
            b"null" if answer.stop_reason is None else encode(answer.stop_reason),
        )
        return self.joined(sequence, range(begin, end - 1), before, after) + self.joined(
            sequence, range(end - 1, end), before, last
        )

    def _chunks(self, sequence: Sequence, answer: Answer, begin: int, end: int) -> bytes:
        """The chunks of one span of tokens: one for each kind of part in it."""
        found = []
        number = -1
        parts = answer.parts if answer.parts is not None else [Part("content", 0, answer.length)]
        for part in parts:
            number += part.kind == "call"
            low, high = max(begin, part.begin), min(end, part.end)
            if low < high and (part.kind != "reasoning" or self.show.reasoning):
                found.append(self._chunk(sequence, answer, low, high, self._delta(sequence, part, number, low, high)))
        if not found and end >= sequence.length:
            found.append(self._chunk(sequence, answer, begin, end, b"{}"))
        return b"".join(found)

    def _delta(self, sequence: Sequence, part: Part, number: int, begin: int, end: int) -> bytes:
        text = self.text_of(sequence, begin, end)
        if part.kind == "content":
            return b'{"content":%b}' % text
        if part.kind == "reasoning":
            return b'{"%b":%b}' % (self.show.reasoning_key.encode(), text)
        assert part.call is not None
        if begin > part.begin:
            return b'{"tool_calls":[{"index":%d,"function":{"arguments":%b}}]}' % (number, text)
        return b'{"tool_calls":[{"id":%b,"type":"function","index":%d,"function":{"name":%b,"arguments":%b}}]}' % (
            encode(call_id(self.identity, sequence.index, number)),
            number,
            encode(part.call.name),
            text,
        )

    def _chunk(self, sequence: Sequence, answer: Answer, begin: int, end: int, delta: bytes) -> bytes:
        ended = b'"finish_reason":null'
        if end >= sequence.length:
            ended = b'"finish_reason":"%b","stop_reason":%b' % (
                answer.finish_reason.encode(),
                encode(answer.stop_reason),
            )
        return b'%b{"index":%d,"delta":%b,"logprobs":%b,%b,"token_ids":%b}]%b}\n\n' % (
            self.head,
            sequence.index,
            delta,
            logprobs_text(self, answer, begin, end),
            ended,
            ids_text(self, answer, begin, end),
            self.usage_member(sequence, end) if self.rule.continuous else b"",
        )
