"""Series that components tell of themselves, beside the token counters that the ledger reads."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

from harness.client.trust import trust
from harness.engine.failure import NotReady


@dataclass(frozen=True, slots=True)
class Scrape:
    """All samples of one component at one moment."""

    samples: tuple[tuple[str, Mapping[str, str], float], ...]

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name that carry these labels; 0 where there is none."""
        return sum(
            value
            for found, own, value in self.samples
            if found == told(name) and set(labels.items()) <= set(own.items())
        )

    def label_sets(self, name: str) -> tuple[Mapping[str, str], ...]:
        """The labels of every sample of that name."""
        return tuple(own for found, own, _ in self.samples if found == told(name))


def scrape(url: str) -> Scrape:
    """Read Prometheus text. Raises NotReady when the endpoint does not answer or what it says is none."""
    try:
        text = httpx.get(url, timeout=10, trust_env=False, verify=trust()).raise_for_status().text
        families = tuple(text_string_to_metric_families(text))
    except (httpx.HTTPError, ValueError) as error:
        raise NotReady(f"the series at {url} cannot be read: {type(error).__name__}: {error}") from error
    return Scrape(tuple((told(one.name), dict(one.labels), one.value) for family in families for one in family.samples))


def told(name: str) -> str:
    """A sample's name as the text has it, or without `_total`: the parser appends that to counters which do without."""
    return name.removesuffix("_total")
