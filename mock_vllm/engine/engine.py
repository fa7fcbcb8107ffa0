"""The engine: takes sequences, releases their tokens, counts what it did."""

from collections.abc import Callable, Iterable

from mock_vllm.engine.sequence import Sequence


class Engine:
    """Releases the tokens of each sequence; `observe` is called once with every sequence that has ended."""

    def __init__(self, clock: Callable[[], float], observe: Callable[[Sequence, float], None]) -> None:
        self._clock = clock
        self._observe = observe

    def submit(self, sequences: Iterable[Sequence]) -> None:
        """Begin to generate."""
        for sequence in sequences:
            sequence.arrived = sequence.started = sequence.first_token_at = self._clock()
            sequence.released = sequence.length
            self._end(sequence)

    def abort(self, sequence: Sequence) -> None:
        """The client is gone: generate no more."""
        if not sequence.done:
            sequence.aborted = True
            self._end(sequence)

    def _end(self, sequence: Sequence) -> None:
        sequence.done = True
        self._observe(sequence, self._clock())
        sequence.sink.progress(sequence)
