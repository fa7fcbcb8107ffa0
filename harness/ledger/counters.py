"""The platform's book: `authorized_hits`, `authorized_calls` and `limited_calls` from Prometheus text."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from harness.client.trust import trust
from harness.outcome import EnvironmentFault

HITS: Final = "authorized_hits"
CALLS: Final = "authorized_calls"
LIMITED: Final = "limited_calls"
_NAMES: Final = frozenset({HITS, CALLS, LIMITED})
_TIMEOUT_S: Final = 10.0


class CountersUnreadable(EnvironmentFault):
    """The metrics endpoint did not answer, or what it said is no Prometheus text."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One series at one moment."""

    metric: str
    labels: Mapping[str, str]
    value: float

    def is_of(self, subscription: str) -> bool:
        """Whether it counts for that subscription, whether the label holds the bare name, `ns/name` or `ns/name@model`."""
        label = self.labels.get("subscription", "")
        return label.partition("@")[0].rpartition("/")[2] == subscription


@dataclass(frozen=True, slots=True)
class Reading:
    """All series of the three counters, as scraped at one moment."""

    samples: tuple[Sample, ...]

    def of(
        self, metric: str, subscription: str, *, user: str | None = None, model: str | None = None
    ) -> tuple[Sample, ...]:
        """The series of one counter that belong to a subscription, and to one user and model where series are so labelled."""
        return tuple(
            sample
            for sample in self.samples
            if sample.metric == metric
            and sample.is_of(subscription)
            and (user is None or sample.labels.get("user", user) == user)
            and (model is None or sample.labels.get("model", model) == model)
        )

    def total(self, metric: str, subscription: str, *, user: str | None = None, model: str | None = None) -> int | None:
        """Their sum; None when there is no such series, which is not the same as 0."""
        found = self.of(metric, subscription, user=user, model=model)
        return round(sum(sample.value for sample in found)) if found else None


def parse_reading(text: str) -> Reading:
    """Read Prometheus text, with or without the `_total` suffix. Raises ValueError when it is none."""
    return Reading(tuple(_samples(text)))


def _samples(text: str) -> Iterator[Sample]:
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        series, _, value = line.rpartition(" ")
        if series.endswith("}") and (found := _known(series)) is not None:
            yield Sample(found.metric, found.labels, float(value))
        elif not series.endswith("}"):  # without labels, or with a time behind the value
            yield from _read(line)


@lru_cache(maxsize=16_384)
def _known(series: str) -> Sample | None:
    """Name and labels, read once: each reading holds all series of the one before, and a run makes thousands of readings."""
    return next(_read(f"{series} 0"), None)


def _read(line: str) -> Iterator[Sample]:
    for family in text_string_to_metric_families(line):
        for sample in family.samples:
            name = sample.name.removesuffix("_total")
            if name in _NAMES:
                yield Sample(name, dict(sample.labels), sample.value)


class PlatformBook:
    """Scrapes the counters; one instance per thread."""

    def __init__(self, metrics_url: str) -> None:
        self._url = metrics_url
        self._http = httpx.Client(timeout=_TIMEOUT_S, trust_env=False, verify=trust())

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def read(self) -> Reading:
        """One scrape. Raises CountersUnreadable."""
        try:
            answer = self._http.get(self._url)
            answer.raise_for_status()
            return parse_reading(answer.text)
        except (httpx.HTTPError, ValueError) as error:
            raise CountersUnreadable(
                f"the counters at {self._url} cannot be read: {type(error).__name__}: {error}"
            ) from error
