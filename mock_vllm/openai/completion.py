"""Replies of /v1/completions, in the key order of vLLM."""

from typing import Any

import msgspec

from mock_vllm.answers.answer import Answer
from mock_vllm.engine.sequence import Sequence
from mock_vllm.openai.chat import ids_text, prompt_ids_text
from mock_vllm.openai.generation import Generation, Whole
from mock_vllm.openai.stream import Stream

encode = msgspec.json.encode


def _prompt_of(reply: Generation, index: int) -> int:
    return index // max(len(reply.sequences) // len(reply.prompts), 1)


def logprobs_text(reply: Generation, answer: Answer, index: int, begin: int, end: int, echo: bool) -> bytes:
    """`logprobs` of a choice or chunk; with `echo` the prompt's tokens come first, the first of them without a number."""
    show = reply.show
    if show.logprobs is None or show.probabilities is None:
        return b"null"
    prompt = reply.prompts[_prompt_of(reply, index)]
    echoed = prompt.pieces if echo else []
    offset = len("".join(answer.tokens[:begin])) + (len(prompt.text) if echo and begin else 0)
    tokens = answer.tokens[begin:end] if not reply_hides_tokens(reply) else []
    if echo and begin == 0:
        return encode(show.probabilities.completion([*echoed, *tokens], 0, show.logprobs, 0, unknown=1))
    return encode(show.probabilities.completion(tokens, begin + len(echoed), show.logprobs, offset))


def reply_hides_tokens(reply: Generation) -> bool:
    """Whether nothing but the echoed prompt is shown (max_tokens 0)."""
    return bool(getattr(reply, "prompt_only", False))


class CompletionWhole(Whole):
    """One `text_completion` object."""

    echo = False
    prompt_only = False
    prompt_logprobs: list[Any] | None = None

    def body(self) -> bytes:
        """See `Whole`."""
        choices = [
            b'{"index":%d,"text":%b,"logprobs":%b,"finish_reason":"%b","stop_reason":%b,"token_ids":%b,"prompt_logprobs":%b,'
            b'"prompt_token_ids":%b}'
            % (
                index,
                encode(answer.text),
                logprobs_text(self, answer, index, 0, answer.length, self.echo),
                answer.finish_reason.encode(),
                b"null" if answer.stop_reason is None else encode(answer.stop_reason),
                ids_text(self, answer, 0, answer.length),
                b"null" if self.prompt_logprobs is None else encode(self.prompt_logprobs[_prompt_of(self, index)]),
                prompt_ids_text(self, _prompt_of(self, index)),
            )
            for index, answer in enumerate(self.answers)
        ]
        usage = self.usage_text(self.usage(), nulls=True)
        return (
            b'{"id":%b,"object":"text_completion","created":%d,"model":%b,"choices":[%b],"service_tier":null,"system_fingerprint":null,'
            b'%b"kv_transfer_params":null}'
            % (
                encode(self.identity),
                self.created,
                encode(self.name),
                b",".join(choices),
                b"" if usage is None else b'"usage":%b,' % usage,
            )
        )


class CompletionStream(Stream):
    """`text_completion` events."""

    KIND = b"text_completion"
    PLAIN_CHUNKS = True
    echo = False
    prompt_only = False

    def frames(self, sequence: Sequence, begin: int, end: int) -> bytes:
        """See `Stream`."""
        answer = self.answers[sequence.index]
        if not self.show.plain:
            return b"".join(
                [self._chunk(sequence, answer, one, other) for one, other in self.spans(begin, end, sequence.length)]
            )
        before = b'%b{"index":%d,"text":' % (self.head, sequence.index)
        after = b',"logprobs":null,"finish_reason":null,"stop_reason":null,"prompt_token_ids":null,"token_ids":null}'
        if end < sequence.length:
            return self.joined(sequence, range(begin, end), before, after)
        last = b',"logprobs":null,"finish_reason":"%b","stop_reason":%b,"prompt_token_ids":null,"token_ids":null}' % (
            answer.finish_reason.encode(),
            b"null" if answer.stop_reason is None else encode(answer.stop_reason),
        )
        return self.joined(sequence, range(begin, end - 1), before, after) + self.joined(
            sequence, range(end - 1, end), before, last
        )

    def _chunk(self, sequence: Sequence, answer: Answer, begin: int, end: int) -> bytes:
        ended = end >= sequence.length
        first = self.show.token_ids and begin == 0
        return (
            b'%b{"index":%d,"text":%b,"logprobs":%b,"finish_reason":%b,"stop_reason":%b,"prompt_token_ids":%b,"token_ids":%b}]%b}\n\n'
            % (
                self.head,
                sequence.index,
                self.text_of(sequence, begin, end),
                logprobs_text(self, answer, sequence.index, begin, end, self.echo),
                encode(answer.finish_reason) if ended else b"null",
                encode(answer.stop_reason) if ended else b"null",
                prompt_ids_text(self, _prompt_of(self, sequence.index)) if first else b"null",
                ids_text(self, answer, begin, end),
                self.usage_member(sequence, end) if self.rule.continuous else b"",
            )
        )
