"""One request under generation: its sequences, its place in the journal, and what happens when its client goes away."""

from dataclasses import dataclass, field

from mock_vllm.answers.answer import Answer
from mock_vllm.answers.probabilities import Probabilities
from mock_vllm.engine.engine import Engine
from mock_vllm.engine.sequence import Sequence
from mock_vllm.faults.rule import Fault
from mock_vllm.journal import Entry
from mock_vllm.model import Model
from mock_vllm.openai.usage import Usage
from mock_vllm.wire.exchange import Exchange


@dataclass(slots=True)
class Show:
    """What a reply shows beside text: `logprobs` alternatives a token (None: none), token ids, reasoning and under which name."""

    logprobs: int | None = None
    token_ids: bool = False
    reasoning: bool = True
    reasoning_key: str = "reasoning"
    probabilities: Probabilities | None = None
    interval: int = 1

    @property
    def plain(self) -> bool:
        """Whether chunks hold nothing but text, one token each."""
        return self.logprobs is None and not self.token_ids and self.interval == 1


PLAIN = Show()


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt: its length, its text and, where something needs them, the texts of its tokens."""

    tokens: int
    text: str
    pieces: list[str]
    ids: list[int] = field(default_factory=list)


class Generation:
    """Base of everything that answers with generated tokens; subclasses write the reply in `progress`.

    `identity` is the reply's id, `name` the model's name as shown, `entry` the journal's entry of the request.
    """

    __slots__ = (
        "answers",
        "created",
        "engine",
        "entry",
        "exchange",
        "fault",
        "identity",
        "model",
        "name",
        "open",
        "prompts",
        "sequences",
        "show",
    )
    streaming = False

    def __init__(
        self, exchange: Exchange, model: Model, name: str, identity: str, created: int, show: Show = PLAIN
    ) -> None:
        self.exchange = exchange
        self.model = model
        self.name = name
        self.identity = identity
        self.created = created
        self.show = show
        self.answers: list[Answer] = []
        self.sequences: list[Sequence] = []
        self.prompts: list[Prompt] = []
        self.engine: Engine | None = None
        self.open = 0
        self.entry: Entry = exchange.state
        self.fault: Fault | None = exchange.fault

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
        """Submit the answers to each prompt to an engine; the reply follows as tokens come."""
        self.prompts = prompts
        engine = self.engine = self.model.engine(self.exchange.header("x-data-parallel-rank"))
        cache = engine.cache
        for prompt, choices in zip(prompts, answers, strict=True):
            pieces = prompt.pieces or (self.model.tokenizer.split(prompt.text) if cache is not None else [])
            hashes = [] if cache is None else cache.hashes(pieces, salt + (lora or ""))
            for answer in choices:
                index = len(self.answers)
                self.answers.append(answer)
                sequence = Sequence(index, prompt.tokens, answer.length, answer.finish_reason, self)
                sequence.max_tokens, sequence.n, sequence.seed, sequence.lora = (
                    max_tokens,
                    len(choices),
                    seed + index,
                    lora,
                )
                if cache is not None:
                    sequence.hashes = hashes
                    sequence.ids = (prompt.ids or self.model.tokenizer.encode(prompt.text)) if cache.listeners else []
                self.sequences.append(sequence)
        self.open = len(self.sequences)
        entry = self.entry
        entry.model = self.name
        entry.prompt_tokens = prompts[0].tokens if len(prompts) == 1 else sum(prompt.tokens for prompt in prompts)
        self.exchange.on_close = self.abort
        engine.submit(self.sequences)

    def progress(self, sequence: Sequence) -> None:
        """See `Sink`."""
        raise NotImplementedError

    def delivered(self) -> int:
        """Tokens written to the client's connection."""
        return 0

    def settle(self, delivered: int, usage: bool) -> None:
        """Write counts into the journal entry."""
        entry = self.entry
        first = self.sequences[0]
        entry.completion_tokens = sum([sequence.released for sequence in self.sequences])
        entry.delivered_tokens = delivered
        entry.usage_delivered = usage
        entry.finish_reason = first.finish_reason if first.done and not first.aborted else None

    def abort(self) -> None:
        """The client is gone: free what it held."""
        if self.engine is not None:
            for sequence in self.sequences:
                self.engine.abort(sequence)
        self.settle(self.delivered(), usage=False)

    def usage(self) -> Usage:
        """The counts as they stand now."""
        sequences = self.sequences
        found = Usage(self.entry.prompt_tokens, sum([sequence.released for sequence in sequences]))
        settings = self.model.settings
        if settings.enable_prompt_tokens_details:
            found.cached_tokens = sum([sequence.cached_tokens for sequence in sequences]) or None
        if settings.reasoning_parser is not None and self.model.version.token_details:
            found.reasoning_tokens = sum(
                part.end - part.begin
                for answer in self.answers
                for part in answer.parts or ()
                if part.kind == "reasoning"
            )
        return found

    def usage_text(self, found: Usage, *, nulls: bool) -> bytes | None:
        """The usage object, as a fault may have it: None when it is left out."""
        fault = self.fault
        if fault is not None and fault.kind == "missing_usage":
            return None
        if fault is not None and fault.kind == "wrong_usage":
            found.completion_tokens = max(found.completion_tokens + fault.offset, 0)
        return b"{%b}" % found.fields(nulls=nulls)


class Whole(Generation):
    """A generation that answers with one JSON object when all its sequences have ended."""

    __slots__ = ()

    def progress(self, sequence: Sequence) -> None:
        """See `Sink`."""
        if not sequence.done or sequence.aborted:
            return
        self.open -= 1
        if self.open:
            return
        body = self.body()
        fault = self.fault
        if fault is None:
            self.settle(sum([one.released for one in self.sequences]), usage=True)
            self.exchange.reply(body)
        else:
            self._faulty(body, fault)

    def _faulty(self, body: bytes, fault: Fault) -> None:
        tokens = sum(one.released for one in self.sequences)
        if fault.kind == "truncated_json":
            self.settle(tokens, usage=False)
            self.exchange.reply(body[: max(len(body) // 2, 1)])
        elif fault.kind in ("close", "stall"):
            self.settle(0, usage=False)
            self.exchange.cut(body[: len(body) // 2], len(body), reset=fault.reset, hold=fault.kind == "stall")
        elif fault.kind == "malformed_json":
            self.settle(tokens, usage=False)
            self.exchange.reply(body[:-1] + b",}")
        else:
            self.settle(tokens, usage=fault.kind != "missing_usage")
            self.exchange.reply(body)

    def body(self) -> bytes:
        """The reply."""
        raise NotImplementedError
