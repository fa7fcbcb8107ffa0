"""Replies of /v1/completions, in the key order of vLLM."""

import msgspec

from mock_vllm.engine.sequence import Sequence
from mock_vllm.openai.generation import Whole
from mock_vllm.openai.stream import Stream

encode = msgspec.json.encode


class CompletionWhole(Whole):
    """One `text_completion` object."""

    def body(self) -> bytes:
        """See `Whole`."""
        choices = b",".join(
            b'{"index":%d,"text":%b,"logprobs":null,"finish_reason":"%b","stop_reason":%b,"token_ids":null,"prompt_logprobs":null,'
            b'"prompt_token_ids":null}'
            % (index, encode(answer.text), answer.finish_reason.encode(), encode(answer.stop_reason))
            for index, answer in enumerate(self.answers)
        )
        return (
            b'{"id":%b,"object":"text_completion","created":%d,"model":%b,"choices":[%b],"service_tier":null,"system_fingerprint":null,'
            b'"usage":{%b,"prompt_tokens_details":null},"kv_transfer_params":null}'
            % (encode(self.identity), self.created, encode(self.model), choices, self.usage())
        )


class CompletionStream(Stream):
    """`text_completion` events."""

    KIND = b"text_completion"

    def frames(self, sequence: Sequence, begin: int, end: int) -> bytes:
        """See `Stream`."""
        before = b'%b{"index":%d,"text":' % (self.head, sequence.index)
        after = b',"logprobs":null,"finish_reason":null,"stop_reason":null,"prompt_token_ids":null,"token_ids":null}'
        if end < sequence.length:
            return self.joined(sequence, range(begin, end), before, after)
        answer = self.answers[sequence.index]
        last = b',"logprobs":null,"finish_reason":"%b","stop_reason":%b,"prompt_token_ids":null,"token_ids":null}' % (
            answer.finish_reason.encode(),
            encode(answer.stop_reason),
        )
        return self.joined(sequence, range(begin, end - 1), before, after) + self.joined(
            sequence, range(end - 1, end), before, last
        )
