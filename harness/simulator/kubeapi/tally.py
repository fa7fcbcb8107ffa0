"""Requests that were answered, under the names that a real API server's series have."""

from collections import Counter
from dataclasses import dataclass, field

from harness.simulator.exposition import Family, Labels, Sample, exposition, gauge

NO_RESOURCE = ("", "", "", "")


@dataclass(slots=True)
class Tally:
    """Answers by verb, group, resource, subresource and code; and how many requests, watches included, are being answered."""

    in_flight: int = 0
    answers: Counter[tuple[str, str, str, str, int]] = field(default_factory=Counter)

    def answered(self, what: tuple[str, str, str, str], code: int) -> None:
        """Count an answer. `what`: verb, group, resource, subresource."""
        self.answers[*what, code] += 1

    def text(self) -> str:
        """Prometheus text."""
        names = ("verb", "group", "resource", "subresource", "code")
        samples = []
        for key, count in sorted(self.answers.items()):
            labels: Labels = tuple(zip(names, (*key[:4], str(key[4])), strict=True))
            samples.append(Sample(labels, count))
        return exposition(
            [
                Family("apiserver_request_total", "Requests that were answered.", "counter", samples),
                gauge("apiserver_current_inflight_requests", "Requests that are being answered.", self.in_flight),
            ]
        )
