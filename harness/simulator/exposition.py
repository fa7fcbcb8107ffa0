"""Prometheus text (format 0.0.4) of series whose names are given by others.

prometheus_client appends `_total` to every counter; Limitador and Authorino do not, and dashboards name their series.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the usual histogram of seconds, as Prometheus' own clients have them."""
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One line; `suffix` is what a histogram's lines have behind the family's name."""

    labels: Labels
    value: float
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """Series of one name."""

    name: str
    help: str
    kind: Literal["counter", "gauge", "histogram"]
    samples: Sequence[Sample]


class Histogram:
    """Observations by labels."""

    __slots__ = ("_bounds", "_counts", "_sums")

    def __init__(self, bounds: Sequence[float] = BUCKETS_S) -> None:
        self._bounds = tuple(bounds)
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def observe(self, labels: Labels, value: float, times: int = 1) -> None:
        """Count an observation, or several alike; an observation on a bound belongs below it."""
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._counts[labels] = [0] * (len(self._bounds) + 1)
            self._sums[labels] = 0.0
        counts[bisect_left(self._bounds, value)] += times
        self._sums[labels] += value * times

    def samples(self) -> Iterator[Sample]:
        """Cumulative buckets, sum and count of every label set."""
        for labels, counts in sorted(self._counts.items()):
            below = 0
            for bound, count in zip((*map(number, self._bounds), "+Inf"), counts, strict=True):
                below += count
                yield Sample((*labels, ("le", bound)), below, "_bucket")
            yield Sample(labels, self._sums[labels], "_sum")
            yield Sample(labels, below, "_count")

    def family(self, name: str, text: str) -> Family:
        """The family of these observations."""
        return Family(name, text, "histogram", tuple(self.samples()))


def tallied(name: str, text: str, tally: Mapping[Labels, int]) -> Family:
    """A counter from a tally by labels."""
    return Family(name, text, "counter", [Sample(labels, value) for labels, value in sorted(tally.items())])


def gauge(name: str, text: str, value: float) -> Family:
    """A gauge without labels."""
    return Family(name, text, "gauge", [Sample((), value)])


def exposition(families: Iterable[Family]) -> str:
    """The text."""
    return "".join(f"{line}\n" for family in families for line in lines(family))


def lines(family: Family) -> Iterator[str]:
    """The lines of one family, its head first."""
    yield f"# HELP {family.name} {family.help}"
    yield f"# TYPE {family.name} {family.kind}"
    for sample in family.samples:
        inner = ",".join(f'{label}="{escaped(text)}"' for label, text in sample.labels)
        yield f"{family.name}{sample.suffix}{f'{{{inner}}}' if inner else ''} {number(sample.value)}"


def number(value: float) -> str:
    """A value as short as it is exact: counters of tokens are whole."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def escaped(text: str) -> str:
    """A label value."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
