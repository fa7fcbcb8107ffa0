"""Token metrics under Limitador's names, for Prometheus.

`datastore_latency` has the counters' store alone: those in memory answer within the call, and are not timed.
"""

from collections import Counter as Tally
from collections.abc import Iterator, Mapping

from harness.simulator.exposition import Family, Histogram, exposition, gauge, tallied

Series = tuple[str, tuple[tuple[str, str], ...]]
STORE_BOUNDS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
HELP = {
    "authorized_calls": "Requests that passed the check",
    "authorized_hits": "Tokens charged",
    "limited_calls": "Requests denied because a limit was exhausted",
}


class TokenMetrics:
    """Counters by route (`limitador_namespace`) and labels; a label without a value is absent.

    `label` says which labels each route's series have; before it was called, they have all that is known of a call.
    """

    __slots__ = ("_labels", "_latency", "_partitioned", "_tallies")

    def __init__(self) -> None:
        self._labels: Mapping[str, Mapping[str, str]] | None = None
        self._latency = Histogram(STORE_BOUNDS_S)
        self._partitioned = False
        self._tallies: dict[str, Tally[Series]] = {name: Tally() for name in HELP}

    def label(self, labels: Mapping[str, Mapping[str, str]] | None) -> None:
        """From now on, a route's series have these labels, each from a field of the call; None: all fields, under their own names."""
        self._labels = labels

    def called(self, domain: str, known: Mapping[str, str]) -> None:
        """A check allowed a request of which this much is known."""
        self._tallies["authorized_calls"][self._series(domain, known)] += 1

    def limited(self, domain: str, known: Mapping[str, str]) -> None:
        """A check denied a request."""
        self._tallies["limited_calls"][self._series(domain, known)] += 1

    def hit(self, domain: str, known: Mapping[str, str], tokens: int) -> None:
        """A report charged `tokens`."""
        self._tallies["authorized_hits"][self._series(domain, known)] += tokens

    def _series(self, domain: str, known: Mapping[str, str]) -> Series:
        if self._labels is None:
            return domain, tuple(known.items())
        wanted = self._labels.get(domain, {})
        return domain, tuple((label, known[field]) for label, field in wanted.items() if field in known)

    def asked(self, seconds: float, *, answered: bool) -> None:
        """The counters' store was asked and took this long; one that did not answer is cut off."""
        self._latency.observe((), seconds)
        self._partitioned = not answered

    def text(self) -> str:
        """Prometheus text."""
        return exposition(self._families())

    def _families(self) -> Iterator[Family]:
        for name, tally in self._tallies.items():
            yield tallied(
                name,
                HELP[name],
                {(("limitador_namespace", domain), *labels): value for (domain, labels), value in tally.items()},
            )
        yield gauge("limitador_up", "Whether the limiter is serving.", 1)
        yield gauge("datastore_partitioned", "Whether the counters' store does not answer.", self._partitioned)
        yield self._latency.family("datastore_latency", "Seconds that the counters' store took to answer.")
