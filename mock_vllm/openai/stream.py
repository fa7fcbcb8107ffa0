"""Server-sent events of a generation: one frame a token, everything that is due in one write."""

from typing import Final

import msgspec

from mock_vllm.answers.answer import Answer, encode_piece
from mock_vllm.engine.sequence import Sequence
from mock_vllm.model import Model
from mock_vllm.openai.generation import PLAIN, Generation, Prompt, Show
from mock_vllm.openai.usage import Usage, UsageRule
from mock_vllm.wire.exchange import Exchange

DONE: Final = b"data: [DONE]\n\n"
SEGMENT: Final = 512
END: Final = b"]}\n\n"
CUTTING: Final = ("close", "stall", "malformed_sse")


class Stream(Generation):
    """Streams chunks; subclasses say what a chunk looks like.

    Frames are written while the client reads; one that reads slowly gets what is due when it has caught up, so an unread stream holds
    no more than the transport's buffer.
    """

    __slots__ = ("befores", "cut", "head", "held", "opened", "rule", "sent")
    KIND = b""
    PLAIN_CHUNKS = False
    streaming = True

    def __init__(
        self,
        exchange: Exchange,
        model: Model,
        name: str,
        identity: str,
        created: int,
        rule: UsageRule,
        show: Show = PLAIN,
    ) -> None:
        super().__init__(exchange, model, name, identity, created, show)
        self.rule = rule
        self.head = b'data: {"id":%b,"object":"%b","created":%d,"model":%b,"choices":[' % (
            msgspec.json.encode(identity),
            self.KIND,
            created,
            msgspec.json.encode(name),
        )
        self.sent: list[int] = []
        self.befores: list[bytes] = []
        self.opened = False
        self.held = False
        self.cut = self.fault.after_tokens if self.fault is not None and self.fault.kind in CUTTING else None

    def begin(
        self,
        prompts: list[Prompt],
        answers: list[list[Answer]],
        max_tokens: int | None,
        *,
        seed: int = 0,
        salt: str = "",
        lora: str | None = None,
    ) -> None:
        """Start to generate; chunks follow as tokens come."""
        self.entry.stream = True
        self.sent = [0] * sum([len(choices) for choices in answers])
        self.exchange.on_resume = self.flush
        if self.PLAIN_CHUNKS and self.show.plain:
            for choices in answers:
                for answer in choices:
                    answer.lighten()
        super().begin(prompts, answers, max_tokens, seed=seed, salt=salt, lora=lora)

    # --- what subclasses say

    def opening(self) -> list[bytes]:
        """Chunks before the first token."""
        return []

    def frames(self, sequence: Sequence, begin: int, end: int) -> bytes:
        """Chunks of tokens `begin` to `end`; the last token's carries the finish reason."""
        raise NotImplementedError

    def closing(self) -> list[bytes]:
        """What follows the last token: usage when it is due, and the end mark."""
        found = []
        if self.rule.final:
            text = self.usage_text(self.usage(), nulls=False)
            if text is not None:
                found.append(b'%b],"usage":%b}\n\n' % (self.head, text))
        if self.fault is None or self.fault.kind != "missing_done":
            found.append(DONE)
        return found

    # --- progress

    def progress(self, sequence: Sequence) -> None:
        """See `Sink`."""
        exchange = self.exchange
        if sequence.aborted:
            return
        if not (self.opened and exchange.writable and not sequence.done and self.cut is None and not self.held):
            if exchange.writable or not exchange.started:
                self.flush()
            return
        # the usual case of a paced stream, without the questions that the general one asks
        begin, end = self.sent[sequence.index], sequence.released
        if 0 < end - begin <= SEGMENT:
            self.sent[sequence.index] = end
            exchange.write(self.frames(sequence, begin, end))

    def flush(self) -> None:
        """Write what is due, as long as the client takes it."""
        exchange = self.exchange
        while not exchange.closed and not self.held:
            pending, finished = self._due()
            if self.cut is not None and sum(self.sent) >= self.cut:
                self._strike(pending)
                return
            if finished:
                pending += self.closing()
                self.settle(sum(self.sent), self.rule.final and not (self.fault and self.fault.kind == "missing_usage"))
            if not pending:
                return
            data = b"".join(pending)
            if not exchange.started:
                exchange.start(data, end=finished)
            elif finished:
                exchange.finish(data)
            else:
                exchange.write(data)
            if finished or not exchange.writable:
                return

    def _due(self) -> tuple[list[bytes], bool]:
        pending: list[bytes] = []
        finished = True
        for sequence in self.sequences:
            begin = self.sent[sequence.index]
            end = min(sequence.released, begin + SEGMENT)
            if self.cut is not None:
                end = max(min(end, begin + self.cut - sum(self.sent)), begin)
            if not self.opened and (sequence.released or sequence.done):
                self.opened = True
                pending += self.opening()
            if end > begin:
                pending.append(self.frames(sequence, begin, end))
                self.sent[sequence.index] = end
            finished = finished and sequence.done and end == sequence.length
        return pending, finished

    def _strike(self, pending: list[bytes]) -> None:
        """The fault's moment: send what came before it, then break."""
        fault, self.cut = self.fault, None
        assert fault is not None
        exchange = self.exchange
        data = b"".join(pending)
        if fault.kind == "malformed_sse":
            data += b'data: {"id": "broken", "choices": [{\n\nevent data without a colon\n\n'
        if not exchange.started:
            exchange.start(data)
        else:
            exchange.write(data)
        if fault.kind == "close":
            exchange.drop(reset=fault.reset)
        elif fault.kind == "stall":
            self.held = True
            if fault.seconds is not None and self.engine is not None:
                self.engine.clock.at(self.engine.clock.now() + fault.seconds, self._go_on)
        else:
            self.flush()

    def _go_on(self) -> None:
        self.held = False
        self.flush()

    def delivered(self) -> int:
        """Tokens written to the client's connection."""
        return sum(self.sent)

    def usage_member(self, sequence: Sequence, tokens: int) -> bytes:
        """The usage member of a chunk when usage is continuous."""
        text = self.usage_text(Usage(sequence.prompt_tokens, tokens), nulls=False)
        return b"" if text is None else b',"usage":%b' % text

    def joined(self, sequence: Sequence, span: range, before: bytes, after: bytes) -> bytes:
        """Frames of the tokens of `span`, one each: their JSON text between `before` and `after`."""
        if not span:
            return b""
        encoded = self.answers[sequence.index].encoded
        if not self.rule.continuous:
            close = after + END
            return before + (close + before).join(encoded[span.start : span.stop]) + close
        return b"".join(
            [b"%b%b%b]%b}\n\n" % (before, encoded[i], after, self.usage_member(sequence, i + 1)) for i in span]
        )

    def spans(self, begin: int, end: int, length: int) -> list[tuple[int, int]]:
        """Which tokens go into which chunk: the first alone, then as many as the stream interval says, the last with what is left."""
        step = self.show.interval
        found = []
        while begin < end:
            stop = 1 if begin == 0 else min(begin + step, length)
            found.append((begin, min(stop, end)))
            begin = stop
        return found

    def text_of(self, sequence: Sequence, begin: int, end: int) -> bytes:
        """The text of tokens as JSON."""
        answer = self.answers[sequence.index]
        return answer.encoded[begin] if end - begin == 1 else encode_piece("".join(answer.pieces[begin:end]))
