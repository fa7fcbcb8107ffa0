"""The engine on a clock of its own: slots, queue, pace, aborts, KV cache. No time passes in these tests."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_vllm.engine.cache import KvCache
from mock_vllm.engine.clock import Timer
from mock_vllm.engine.engine import Engine
from mock_vllm.engine.pace import Timing
from mock_vllm.engine.sequence import Sequence


class ManualClock:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.time = 0.0
        self.timers: list[tuple[float, int, Timer]] = []

    def now(self) -> float:
        return self.time

    def at(self, when, callback) -> Timer:
        timer = Timer(callback)
        self.timers.append((when, len(self.timers), timer))
        return timer

    def close(self) -> None:
        self.timers.clear()

    def run(self, until: float) -> None:
        while True:
            due = [entry for entry in self.timers if entry[0] <= until + 1e-12 and entry[2].callback is not None]
            if not due:
                break
            entry = min(due)
            self.time = max(self.time, entry[0])
            entry[2].fire()
        self.time = until


class Recorder:
    """A sink that notes when tokens came."""

    def __init__(self, clock: ManualClock, *, streaming: bool = True) -> None:
        self.clock = clock
        self.streaming = streaming
        self.seen: list[tuple[float, int]] = []

    def progress(self, sequence: Sequence) -> None:
        self.seen.append((round(self.clock.time, 9), sequence.released))


def make(slots=4, cache=None, **times):
    clock = ManualClock()
    ended: list[Sequence] = []
    return clock, Engine(clock, Timing(**times), slots, lambda sequence, now: ended.append(sequence), cache), ended


def sequence(clock, length=3, prompt=5, *, streaming=True) -> Sequence:
    return Sequence(0, prompt, length, "length", Recorder(clock, streaming=streaming))


def test_without_times_everything_comes_at_once():
    clock, engine, ended = make()
    one = sequence(clock)
    engine.submit([one])
    assert one.sink.seen == [(0.0, 3)]
    assert ended == [one]
    assert engine.running == engine.waiting == 0


def test_tokens_come_at_absolute_deadlines():
    clock, engine, _ = make(time_to_first_token=100, inter_token_latency=20, prefill_time_per_token=2)
    one = sequence(clock, length=4, prompt=10)
    engine.submit([one])
    clock.run(10)
    assert one.sink.seen == [(0.12, 1), (0.14, 2), (0.16, 3), (0.18, 4)]


def test_lateness_of_one_token_does_not_move_the_next():
    clock, engine, _ = make(time_to_first_token=10, inter_token_latency=10)
    one = sequence(clock, length=5)
    engine.submit([one])
    clock.time = 0.025
    clock.run(0.025)
    clock.run(1)
    assert one.sink.seen[0] == (0.025, 2)
    assert [at for at, _ in one.sink.seen[1:]] == [0.03, 0.04, 0.05]


def test_a_whole_reply_is_told_once():
    clock, engine, _ = make(time_to_first_token=100, inter_token_latency=20)
    one = sequence(clock, length=50, streaming=False)
    engine.submit([one])
    clock.run(10)
    assert one.sink.seen == [(pytest.approx(0.1 + 49 * 0.02), 50)]


def test_sequences_without_a_slot_wait_in_order_of_arrival():
    """Row 26: vLLM queues; it does not refuse."""
    clock, engine, _ = make(slots=2, time_to_first_token=100)
    many = [sequence(clock, length=1) for _ in range(5)]
    engine.submit(many)
    assert (engine.running, engine.waiting) == (2, 3)
    clock.run(1)
    assert [one.started for one in many] == pytest.approx([0, 0, 0.1, 0.1, 0.2])
    assert (engine.running, engine.waiting) == (0, 0)


def test_an_abort_frees_the_slot_for_the_next():
    """Row 20: the client is gone, the slot is free, the tokens made so far are counted."""
    clock, engine, ended = make(slots=1, time_to_first_token=100, inter_token_latency=100)
    first, second = sequence(clock, length=50, streaming=False), sequence(clock)
    engine.submit([first, second])
    clock.run(0.35)
    engine.abort(first)
    assert first.released == 3
    assert first.aborted
    assert second.running
    assert (engine.running, engine.waiting) == (1, 0)
    assert ended == [first]


def test_an_abort_while_waiting():
    clock, engine, _ = make(slots=1, time_to_first_token=100)
    first, second, third = (sequence(clock, length=1) for _ in range(3))
    engine.submit([first, second, third])
    engine.abort(second)
    engine.abort(second)
    assert engine.waiting == 1
    clock.run(1)
    assert third.done
    assert second.released == 0


def test_row_27_times_need_not_be_whole_milliseconds():
    clock, engine, _ = make(time_to_first_token=0.25, inter_token_latency=0.9)
    one = sequence(clock, length=3)
    engine.submit([one])
    clock.run(1)
    assert [at for at, _ in one.sink.seen] == pytest.approx([0.00025, 0.00115, 0.00205])


def test_load_stretches_times():
    clock, engine, _ = make(slots=3, time_to_first_token=100, time_factor_under_load=3)
    many = [sequence(clock, length=1) for _ in range(3)]
    engine.submit(many)
    clock.run(1)
    assert [one.sink.seen[-1][0] for one in many] == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize("shape", ["normal", "uniform", "lognormal", "exponential"])
def test_jitter_is_seeded_and_centred(shape):
    timing = Timing(inter_token_latency=20, inter_token_latency_std_dev=4, distribution=shape)

    def drawn(seed: int) -> list[float]:
        pace = timing.pace(1, 4000, 1.0, seed)
        return [pace.offset(token) for token in range(1, 4001)]

    offsets = drawn(7)
    assert offsets == drawn(7) != drawn(8)
    gaps = [after - before for before, after in itertools.pairwise(offsets)]
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(0.02, rel=0.03)
    assert (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5 == pytest.approx(0.004, rel=0.1)
    assert min(gaps) >= 0


@given(st.floats(0, 0.01), st.floats(0, 0.01), st.integers(1, 200))
def test_pace_counts_what_its_offsets_say(first, gap, length):
    pace = Timing(time_to_first_token=first * 1000, inter_token_latency=gap * 1000).pace(0, length, 1.0, 0)
    for token in range(1, length + 1):
        assert pace.count(pace.offset(token)) >= token
    if first > 1e-6:
        assert pace.count(first - 1e-6) == 0


# --- KV cache


def blocks(text: str) -> list[str]:
    return list(text)


def test_prompts_share_the_blocks_of_their_common_beginning():
    cache = KvCache(100, 4)
    one, two = cache.hashes(blocks("aaaabbbbcc")), cache.hashes(blocks("aaaaXbbbcc"))
    assert len(one) == len(two) == 2
    assert one[0] == two[0]
    assert one[1] != two[1]
    assert cache.hashes(blocks("bbbbaaaa"))[1] != one[0]
    assert cache.hashes(blocks("aaaabbbb"), "salt") != one


def test_cached_tokens_are_not_computed_again():
    cache = KvCache(100, 4)
    clock, engine, _ = make(cache=cache, prefill_time_per_token=10)
    first, second = sequence(clock, length=1, prompt=10), sequence(clock, length=1, prompt=10)
    first.hashes = second.hashes = cache.hashes(blocks("aaaabbbbcc"))
    engine.submit([first])
    clock.run(1)
    engine.submit([second])
    clock.run(2)
    assert (first.cached_tokens, second.cached_tokens) == (0, 8)
    assert first.sink.seen[-1][0] == pytest.approx(0.1)
    assert second.sink.seen[-1][0] == pytest.approx(1.02)
    assert (cache.queries, cache.hits) == (16, 8)


def test_a_sequence_waits_for_room():
    cache = KvCache(4, 4)
    clock, engine, _ = make(cache=cache, time_to_first_token=100)
    first, second = sequence(clock, length=3, prompt=9), sequence(clock, length=3, prompt=9)
    engine.submit([first, second])
    assert (engine.running, engine.waiting) == (1, 1)
    assert cache.usage == 0.75
    clock.run(0.1)
    assert second.running
    clock.run(1)
    assert cache.usage == 0


class Events:
    def __init__(self) -> None:
        self.seen: list[tuple] = []

    def stored(self, hashes, parent, tokens, block_size):
        self.seen.append(("stored", tuple(hashes), parent, tuple(tokens), block_size))

    def removed(self, hashes):
        self.seen.append(("removed", tuple(hashes)))

    def cleared(self):
        self.seen.append(("cleared",))


def test_events_of_the_cache():
    cache = KvCache(3, 2)
    events = Events()
    cache.listeners.append(events)
    one, other = cache.hashes(blocks("abcd")), cache.hashes(blocks("wxyz"))
    lease, _ = cache.take(one, 4, [1, 2, 3, 4])
    cache.release(lease)
    lease, cached = cache.take(other, 6, [5, 6, 7, 8])
    assert cached == 0
    cache.release(lease)
    cache.clear()
    # the end of a prompt goes before its beginning, which more prompts share
    assert events.seen == [
        ("stored", tuple(one), None, (1, 2, 3, 4), 2),
        ("removed", (one[1], one[0])),
        ("stored", tuple(other), None, (5, 6, 7, 8), 2),
        ("cleared",),
    ]


@given(st.lists(st.tuples(st.text("ab", min_size=1, max_size=12), st.integers(0, 6), st.booleans()), max_size=40))
def test_the_cache_never_holds_more_than_it_has(steps):
    cache = KvCache(8, 2)
    held = []
    for text, more, give in steps:
        if give and held:
            cache.release(held.pop(0))
        taken = cache.take(cache.hashes(blocks(text)), len(text) + more)
        if taken is not None:
            held.append(taken[0])
        assert 0 <= cache.usage <= 1
    for lease in held:
        cache.release(lease)
    assert cache.usage == 0
