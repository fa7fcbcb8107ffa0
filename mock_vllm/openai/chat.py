"""Replies of /v1/chat/completions, in the key order of vLLM."""

import msgspec

from mock_vllm.engine.sequence import Sequence
from mock_vllm.openai.generation import Whole
from mock_vllm.openai.stream import Stream

encode = msgspec.json.encode


class ChatWhole(Whole):
    """One `chat.completion` object."""

    def body(self) -> bytes:
        """See `Whole`."""
        choices = b",".join(
            b'{"index":%d,"message":{"role":"assistant","content":%b,"refusal":null,"annotations":null,"audio":null,'
            b'"function_call":null,"tool_calls":[],"reasoning":null},"logprobs":null,"finish_reason":"%b","stop_reason":%b,'
            b'"token_ids":null}'
            % (index, encode(answer.text), answer.finish_reason.encode(), encode(answer.stop_reason))
            for index, answer in enumerate(self.answers)
        )
        return (
            b'{"id":%b,"object":"chat.completion","created":%d,"model":%b,"choices":[%b],"service_tier":null,"system_fingerprint":null,'
            b'"usage":{%b,"prompt_tokens_details":null},"prompt_logprobs":null,"prompt_token_ids":null,"kv_transfer_params":null}'
            % (encode(self.identity), self.created, encode(self.model), choices, self.usage())
        )


class ChatStream(Stream):
    """`chat.completion.chunk` events."""

    KIND = b"chat.completion.chunk"

    def opening(self) -> list[bytes]:
        """The role chunk of each choice."""
        chunks = []
        for sequence in self.sequences:
            usage = self.usage_member(sequence, 0) if self.rule.continuous else b""
            chunks.append(
                b'%b{"index":%d,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],'
                b'"prompt_token_ids":null%b}\n\n' % (self.head, sequence.index, usage)
            )
        return chunks

    def frames(self, sequence: Sequence, begin: int, end: int) -> bytes:
        """See `Stream`."""
        before = b'%b{"index":%d,"delta":{"content":' % (self.head, sequence.index)
        after = b'},"logprobs":null,"finish_reason":null,"token_ids":null}'
        if end < sequence.length:
            return self.joined(sequence, range(begin, end), before, after)
        answer = self.answers[sequence.index]
        last = b'},"logprobs":null,"finish_reason":"%b","stop_reason":%b,"token_ids":null}' % (
            answer.finish_reason.encode(),
            encode(answer.stop_reason),
        )
        return self.joined(sequence, range(begin, end - 1), before, after) + self.joined(
            sequence, range(end - 1, end), before, last
        )
