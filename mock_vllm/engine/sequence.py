"""One sequence under generation: how many tokens it will have, how many it has, and who is told."""

from typing import Protocol


class Sink(Protocol):
    """Receives the progress of a sequence."""

    def progress(self, sequence: "Sequence") -> None:
        """More tokens are out (`sequence.released`), or the sequence has ended (`sequence.done`)."""


class Sequence:
    """A prompt of `prompt_tokens` whose answer has `length` tokens; times are monotonic seconds."""

    __slots__ = (
        "aborted",
        "arrived",
        "done",
        "finish_reason",
        "first_token_at",
        "index",
        "length",
        "max_tokens",
        "prompt_tokens",
        "released",
        "sink",
        "started",
    )

    def __init__(
        self, index: int, prompt_tokens: int, length: int, finish_reason: str, max_tokens: int | None, sink: Sink
    ) -> None:
        self.index = index
        self.prompt_tokens = prompt_tokens
        self.length = length
        self.finish_reason = finish_reason
        self.max_tokens = max_tokens
        self.sink = sink
        self.released = 0
        self.done = False
        self.aborted = False
        self.arrived = self.started = self.first_token_at = 0.0
