"""Distributions as inline SVG: no script, no network, readable by a screen reader through title and description."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

WIDTH: Final = 360
HEIGHT: Final = 72
BINS: Final = 30
_BASE: Final = 56


@dataclass(frozen=True, slots=True)
class Distribution:
    """The five numbers of a sample, in its unit."""

    count: int
    smallest: float
    median: float
    p95: float
    largest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Distribution":
        """Of at least one value; quantiles by the nearest rank, so that each is a value that was measured."""
        ordered = sorted(values)
        return cls(len(ordered), ordered[0], _rank(ordered, 0.5), _rank(ordered, 0.95), ordered[-1])


def histogram(values: Sequence[float], name: str, unit: str) -> Markup:
    """Bars over a logarithmic scale when the sample spans more than a decade, else over a linear one."""
    seen = Distribution.of(values)
    logarithmic = seen.smallest > 0 and seen.largest / seen.smallest > 10
    counts = _binned(values, logarithmic=logarithmic)
    step, tallest = WIDTH / len(counts), max(counts)
    bars = "".join(
        f'<rect x="{index * step + 0.5:.1f}" y="{_BASE - count / tallest * (_BASE - 4):.1f}" '
        f'width="{step - 1:.1f}" height="{count / tallest * (_BASE - 4):.1f}"/>'
        for index, count in enumerate(counts)
        if count
    )
    scale = "logarithmic" if logarithmic else "linear"
    described = (
        f"{seen.count} values from {number(seen.smallest)} to {number(seen.largest)} {unit}, "
        f"median {number(seen.median)}, 95th percentile {number(seen.p95)}; {scale} scale"
    )
    return Markup(
        '<svg class="plot" viewBox="0 0 {width} {height}" role="img"><title>{name}</title><desc>{described}</desc>'
        '<line x1="0" x2="{width}" y1="{base}" y2="{base}"/>{bars}'
        '<text x="0" y="{height}">{low}</text><text x="{width}" y="{height}" text-anchor="end">{high}</text></svg>'
    ).format(
        width=WIDTH,
        height=HEIGHT,
        base=_BASE,
        name=escape(name),
        described=described,
        bars=Markup(bars),  # noqa: S704 - made of numbers alone
        low=f"{number(seen.smallest)} {unit}",
        high=f"{number(seen.largest)} {unit}",
    )


def number(value: float) -> str:
    """Three significant digits, without an exponent where a person expects none."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _binned(values: Sequence[float], *, logarithmic: bool) -> list[int]:
    scaled = [math.log10(value) for value in values] if logarithmic else list(values)
    low, high = min(scaled), max(scaled)
    if high == low:
        return [len(scaled)]
    counts = [0] * BINS
    for value in scaled:
        counts[min(BINS - 1, int((value - low) / (high - low) * BINS))] += 1
    return counts


def _rank(ordered: Sequence[float], share: float) -> float:
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
