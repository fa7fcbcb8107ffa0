"""Prometheus histograms of one label set, with the buckets that vLLM uses."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

LATENCY: Final = (
    *(0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0),
    *(40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0),
)
FIRST_TOKEN: Final = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0),
    *(2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0),
)
PER_TOKEN: Final = (
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.15,
    0.2,
    0.3,
    0.4,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    7.5,
    10.0,
    20.0,
    40.0,
    80.0,
)
ITERATION: Final = (1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
PARAMETER_N: Final = (1, 2, 5, 10, 20)


def one_two_five(limit: int) -> tuple[int, ...]:
    """1, 2, 5, 10, 20, ... up to `limit`."""
    found: list[int] = []
    power = 1
    while True:
        for digit in (1, 2, 5):
            if digit * power > limit:
                return tuple(found)
            found.append(digit * power)
        power *= 10


def number(value: float) -> str:
    """A number as Prometheus clients write it: always with a decimal point or exponent."""
    return repr(float(value))


class Histogram:
    """Counts by bucket; the last count is of values above all bounds."""

    __slots__ = ("bounds", "counts", "created", "total")

    def __init__(self, bounds: Sequence[float], created: float) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        self.created = created

    def observe(self, value: float, times: int = 1) -> None:
        """Count `value`, `times` times."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    def observe_all(self, values: Sequence[float]) -> None:
        """Count many values at once: sorted, they fill a bucket in one step."""
        ordered = sorted(values)
        below = 0
        for place, bound in enumerate(self.bounds):
            upto = bisect_right(ordered, bound, below)
            self.counts[place] += upto - below
            below = upto
            if below == len(ordered):
                break
        self.counts[-1] += len(ordered) - below
        self.total += sum(ordered)

    def lines(self, name: str, labels: str) -> list[str]:
        """The sample lines, buckets cumulative, with `_count`, `_sum` and `_created`."""
        found: list[str] = []
        running = 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            running += count
            edge = "+Inf" if bound == float("inf") else number(bound)
            found.append(f'{name}_bucket{{{labels},le="{edge}"}} {number(running)}')
        found.append(f"{name}_count{{{labels}}} {number(running)}")
        found.append(f"{name}_sum{{{labels}}} {number(self.total)}")
        found.append(f"{name}_created{{{labels}}} {self.created!r}")
        return found
