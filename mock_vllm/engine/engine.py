"""The engine: gives slots to sequences, releases their tokens in time, counts what it did."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Protocol

from mock_vllm.engine.cache import KvCache
from mock_vllm.engine.clock import Clock
from mock_vllm.engine.pace import Timing
from mock_vllm.engine.sequence import Sequence


class Gate(Protocol):
    """One more condition for a slot, such as room for a LoRA adapter."""

    def admit(self, sequence: Sequence) -> bool:
        """Take what the sequence needs, or say that it must wait."""

    def leave(self, sequence: Sequence) -> None:
        """Give it back."""


class Engine:
    """First come, first served: at most `slots` sequences run, the others wait; a slot is free again when its client disconnects.

    `observe` is called once with every sequence that has ended and the time of its end.
    """

    def __init__(
        self,
        clock: Clock,
        timing: Timing,
        slots: int,
        observe: Callable[[Sequence, float], None],
        cache: KvCache | None = None,
        stream_interval: int = 1,
    ) -> None:
        self.clock = clock
        self.timing = timing
        self.instant = timing.instant
        self.slots = slots
        self.cache = cache
        self.gates: list[Gate] = []
        self.running = 0
        self.paused = False
        self._observe = observe
        self._queue: OrderedDict[Sequence, None] = OrderedDict()
        self._admitting = False
        self._interval = stream_interval

    def submit(self, sequences: Iterable[Sequence]) -> None:
        """Queue sequences and start those that have a slot."""
        now = self.clock.now()
        if self.idle:
            for sequence in sequences:
                sequence.arrived = sequence.started = sequence.first_token_at = now
                sequence.released = sequence.length
                self._close(sequence)
            return
        for sequence in sequences:
            sequence.arrived = now
            self._queue[sequence] = None
        self.admit()

    def abort(self, sequence: Sequence) -> None:
        """The client is gone: generate no more and free the slot."""
        if sequence.done:
            return
        if sequence.running and sequence.pace is not None:
            sequence.released = max(sequence.released, sequence.pace.count(self.clock.now() - sequence.started))
        sequence.aborted = True
        self._close(sequence)
        self.admit()

    def admit(self) -> None:
        """Start waiting sequences as far as there is room."""
        if self._admitting:
            return  # the loop below is at work further up and goes on when this call has returned
        self._admitting = True
        try:
            queue = self._queue
            while queue and not self.paused and self.running < self.slots:
                sequence = next(iter(queue))
                if not self._room(sequence):
                    return
                del queue[sequence]
                self._start(sequence)
        finally:
            self._admitting = False

    def retime(self, timing: Timing) -> None:
        """New times for sequences that start from now on."""
        self.timing = timing
        self.instant = timing.instant

    @property
    def idle(self) -> bool:
        """Whether a sequence that takes no time would be answered at once: a free slot and nothing that counts, waits or is timed."""
        return (
            self.running < self.slots
            and not self._queue
            and not self.paused
            and self.cache is None
            and not self.gates
            and self.instant
        )

    @property
    def waiting(self) -> int:
        """How many sequences wait for a slot."""
        return len(self._queue)

    def queued(self) -> Iterable[Sequence]:
        """The sequences that wait, first come first."""
        return self._queue.keys()

    def pause(self, paused: bool) -> None:
        """Start nothing new while paused (a sleeping model); what runs goes on."""
        self.paused = paused
        if not paused:
            self.admit()

    def _room(self, sequence: Sequence) -> bool:
        """Take a place at every gate and in the KV cache, or none at all."""
        passed: list[Gate] = []
        for gate in self.gates:
            if not gate.admit(sequence):
                break
            passed.append(gate)
        else:
            if self.cache is None:
                return True
            taken = self.cache.take(sequence.hashes, sequence.prompt_tokens + sequence.length, sequence.ids)
            if taken is not None:
                sequence.lease, sequence.cached_tokens = taken
                return True
        for gate in passed:
            gate.leave(sequence)
        return False

    def _start(self, sequence: Sequence) -> None:
        self.running += 1
        sequence.running = True
        sequence.started = self.clock.now()
        timing = self.timing
        # one token of the prompt is always computed, however much of it is cached
        uncached = max(sequence.prompt_tokens - sequence.cached_tokens, 1)
        sequence.pace = timing.pace(uncached, sequence.length, timing.load(self.running, self.slots), sequence.seed)
        self._tick(sequence)

    def _tick(self, sequence: Sequence) -> None:
        """Release what is due, and come back for the next token (of a stream) or the last (of a whole reply)."""
        pace = sequence.pace
        if sequence.done or pace is None:
            return
        # a clock may call a little early, to join calls: the deadline counts, not the moment
        now = max(self.clock.now(), sequence.due_at)
        due = min(pace.count(now - sequence.started), sequence.length)
        if due >= sequence.length:
            sequence.released = sequence.length
            if not sequence.first_token_at:
                sequence.first_token_at = sequence.started + (pace.offset(1) if sequence.length else 0.0)
            self._close(sequence)
            self.admit()
            return
        if due > sequence.released:
            if not sequence.first_token_at:
                sequence.first_token_at = sequence.started + pace.offset(1)
            sequence.released = due
            sequence.sink.progress(sequence)
            if self._ended(sequence):
                return
        following = self._next_token(sequence, due)
        sequence.due_at = sequence.started + pace.offset(following)
        sequence.timer = self.clock.at(sequence.due_at, lambda: self._tick(sequence))

    @staticmethod
    def _ended(sequence: Sequence) -> bool:
        """Whether the sink has aborted the sequence while it was told of tokens."""
        return sequence.done

    def _next_token(self, sequence: Sequence, due: int) -> int:
        if not sequence.sink.streaming:
            return sequence.length
        return min(due + (self._interval if due else 1), sequence.length)

    def _close(self, sequence: Sequence) -> None:
        sequence.done = True
        if sequence.timer is not None:
            sequence.timer.cancel()
            sequence.timer = None
        if sequence.running:
            sequence.running = False
            self.running -= 1
            for gate in self.gates:
                gate.leave(sequence)
            if sequence.lease is not None and self.cache is not None:
                self.cache.release(sequence.lease)
                sequence.lease = None
        elif sequence.aborted:
            self._queue.pop(sequence, None)
        self._observe(sequence, self.clock.now())
        sequence.sink.progress(sequence)
