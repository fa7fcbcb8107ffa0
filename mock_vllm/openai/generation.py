"""One request under generation: its sequences, its place in the journal, and what happens when its client goes away."""

from mock_vllm.answers.answer import Answer
from mock_vllm.app import App
from mock_vllm.engine.sequence import Sequence
from mock_vllm.journal import Entry
from mock_vllm.openai.usage import usage_fields
from mock_vllm.wire.exchange import Exchange


class Generation:
    """Base of everything that answers with generated tokens; subclasses write the reply in `progress`."""

    def __init__(self, app: App, exchange: Exchange, model: str, identity: str, created: int) -> None:
        self.app = app
        self.exchange = exchange
        self.model = model
        self.identity = identity
        self.created = created
        self.answers: list[Answer] = []
        self.sequences: list[Sequence] = []
        self.prompt_tokens = 0
        self.open = 0
        self.entry: Entry = exchange.state

    def begin(self, prompts: list[int], answers: list[list[Answer]], max_tokens: int | None) -> None:
        """Submit the answers of each prompt; `prompts[i]` is the length in tokens of prompt `i`."""
        self.prompt_tokens = sum(prompts)
        for count, choices in zip(prompts, answers, strict=True):
            for answer in choices:
                index = len(self.answers)
                self.answers.append(answer)
                self.sequences.append(Sequence(index, count, answer.length, answer.finish_reason, max_tokens, self))
        self.open = len(self.sequences)
        self.entry.model = self.model
        self.entry.prompt_tokens = self.prompt_tokens
        self.exchange.on_close = self.abort
        self.app.engine.submit(self.sequences)

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
        entry.completion_tokens = sum(sequence.released for sequence in self.sequences)
        entry.delivered_tokens = delivered
        entry.usage_delivered = usage
        entry.finish_reason = first.finish_reason if first.done and not first.aborted else None

    def abort(self) -> None:
        """The client is gone: free what it held."""
        for sequence in self.sequences:
            self.app.engine.abort(sequence)
        self.settle(self.delivered(), usage=False)

    def usage(self) -> bytes:
        """The usage object as it stands now, without braces."""
        return usage_fields(self.prompt_tokens, sum(sequence.released for sequence in self.sequences))


class Whole(Generation):
    """A generation that answers with one JSON object when all its sequences have ended."""

    def progress(self, sequence: Sequence) -> None:
        """See `Sink`."""
        if not sequence.done or sequence.aborted:
            return
        self.open -= 1
        if self.open == 0:
            self.settle(sum(one.released for one in self.sequences), usage=True)
            self.exchange.reply(self.body())

    def body(self) -> bytes:
        """The reply."""
        raise NotImplementedError
