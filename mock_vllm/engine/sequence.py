"""One sequence under generation: how many tokens it will have, how many it has, and who is told."""

from typing import Protocol

from mock_vllm.engine.cache import Lease
from mock_vllm.engine.clock import Timer
from mock_vllm.engine.pace import Pace


class Sink(Protocol):
    """Receives the progress of a sequence."""

    streaming: bool

    def progress(self, sequence: "Sequence") -> None:
        """More tokens are out (`sequence.released`), or the sequence has ended (`sequence.done`)."""


class Sequence:
    """A prompt of `prompt_tokens` whose answer has `length` tokens; times are monotonic seconds.

    `hashes` and `ids` identify the prompt to the KV cache (empty without one), `lora` names the adapter it needs, `seed` its jitter.
    """

    __slots__ = (
        "aborted",
        "arrived",
        "cached_tokens",
        "done",
        "due_at",
        "finish_reason",
        "first_token_at",
        "hashes",
        "ids",
        "index",
        "lease",
        "length",
        "lora",
        "max_tokens",
        "n",
        "pace",
        "prompt_tokens",
        "released",
        "running",
        "seed",
        "sink",
        "started",
        "timer",
    )

    def __init__(self, index: int, prompt_tokens: int, length: int, finish_reason: str, sink: Sink) -> None:
        self.index = index
        self.prompt_tokens = prompt_tokens
        self.length = length
        self.finish_reason = finish_reason
        self.sink = sink
        self.max_tokens: int | None = None
        self.n = 1
        self.seed = 0
        self.lora: str | None = None
        self.hashes: list[int] = []
        self.ids: list[int] = []
        self.cached_tokens = 0
        self.released = 0
        self.running = False
        self.done = False
        self.aborted = False
        self.pace: Pace | None = None
        self.timer: Timer | None = None
        self.lease: Lease | None = None
        self.arrived = self.started = self.first_token_at = self.due_at = 0.0
