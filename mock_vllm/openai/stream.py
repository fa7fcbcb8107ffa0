"""Server-sent events of a generation: one frame a token, everything that is due in one write."""

from typing import Final

import msgspec

from mock_vllm.answers.answer import Answer
from mock_vllm.app import App
from mock_vllm.engine.sequence import Sequence
from mock_vllm.openai.generation import Generation
from mock_vllm.openai.usage import UsageRule, usage_fields
from mock_vllm.wire.exchange import Exchange

DONE: Final = b"data: [DONE]\n\n"
SEGMENT: Final = 512
END: Final = b"]}\n\n"


class Stream(Generation):
    """Streams chunks; subclasses say what a chunk looks like.

    Frames are written while the client reads; one that reads slowly gets what is due when it has caught up, so an unread stream holds
    no more than the transport's buffer.
    """

    KIND = b""

    def __init__(self, app: App, exchange: Exchange, model: str, identity: str, created: int, rule: UsageRule) -> None:
        super().__init__(app, exchange, model, identity, created)
        self.rule = rule
        self.head = b'data: {"id":%b,"object":"%b","created":%d,"model":%b,"choices":[' % (
            msgspec.json.encode(identity),
            self.KIND,
            created,
            msgspec.json.encode(model),
        )
        self.sent: list[int] = []
        self.opened = False

    def begin(self, prompts: list[int], answers: list[list[Answer]], max_tokens: int | None) -> None:
        """Start to generate; chunks follow as tokens come."""
        self.entry.stream = True
        self.sent = [0] * sum(len(choices) for choices in answers)
        self.exchange.on_resume = self.flush
        super().begin(prompts, answers, max_tokens)

    # --- what subclasses say

    def opening(self) -> list[bytes]:
        """Chunks before the first token."""
        return []

    def frames(self, sequence: Sequence, begin: int, end: int) -> bytes:
        """Chunks of tokens `begin` to `end`; the last token's carries the finish reason."""
        raise NotImplementedError

    # --- progress

    def progress(self, sequence: Sequence) -> None:
        """See `Sink`."""
        if not sequence.aborted and (self.exchange.writable or not self.exchange.started):
            self.flush()

    def flush(self) -> None:
        """Write what is due, as long as the client takes it."""
        while not self.exchange.closed:
            pending, finished = self._due()
            if finished:
                if self.rule.final:
                    pending.append(b'%b],"usage":{%b}}\n\n' % (self.head, self.usage()))
                pending.append(DONE)
                self.settle(sum(self.sent), self.rule.final)
            if not pending:
                return
            data = b"".join(pending)
            if not self.exchange.started:
                self.exchange.start(data, end=finished)
            elif finished:
                self.exchange.finish(data)
            else:
                self.exchange.write(data)
            if finished or not self.exchange.writable:
                return

    def _due(self) -> tuple[list[bytes], bool]:
        pending: list[bytes] = []
        finished = True
        for sequence in self.sequences:
            begin = self.sent[sequence.index]
            end = min(sequence.released, begin + SEGMENT)
            if end > begin:
                if not self.opened:
                    self.opened = True
                    pending += self.opening()
                pending.append(self.frames(sequence, begin, end))
                self.sent[sequence.index] = end
            finished = finished and sequence.done and end == sequence.length
        return pending, finished

    def delivered(self) -> int:
        """Tokens written to the client's connection."""
        return sum(self.sent)

    def usage_member(self, sequence: Sequence, tokens: int) -> bytes:
        """The usage member of a chunk when usage is continuous."""
        return b',"usage":{%b}' % usage_fields(sequence.prompt_tokens, tokens)

    def joined(self, sequence: Sequence, span: range, before: bytes, after: bytes) -> bytes:
        """Frames of the tokens of `span`: their JSON text between `before` and `after`."""
        encoded = self.answers[sequence.index].encoded
        if not span:
            return b""
        if not self.rule.continuous:
            close = after + END
            return before + (close + before).join(encoded[span.start : span.stop]) + close
        return b"".join(
            b"%b%b%b]%b}\n\n" % (before, encoded[i], after, self.usage_member(sequence, i + 1)) for i in span
        )
