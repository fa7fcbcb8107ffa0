"""Token metrics under Limitador's names, for Prometheus.

Own text rendering, because prometheus_client appends `_total` to counters and Limitador does not.
"""

from collections import Counter as Tally
from collections.abc import Iterator, Mapping

Series = tuple[str, tuple[tuple[str, str], ...]]
HELP = {
    "authorized_calls": "Requests that passed the check",
    "authorized_hits": "Tokens charged",
    "limited_calls": "Requests denied because a limit was exhausted",
}


class TokenMetrics:
    """Counters by route (`limitador_namespace`) and the labels that the call carried; a label without a value is absent."""

    __slots__ = ("_tallies",)

    def __init__(self) -> None:
        self._tallies: dict[str, Tally[Series]] = {name: Tally() for name in HELP}

    def called(self, domain: str, labels: Mapping[str, str]) -> None:
        """A check allowed a request."""
        self._tallies["authorized_calls"][series(domain, labels)] += 1

    def limited(self, domain: str, labels: Mapping[str, str]) -> None:
        """A check denied a request."""
        self._tallies["limited_calls"][series(domain, labels)] += 1

    def hit(self, domain: str, labels: Mapping[str, str], tokens: int) -> None:
        """A report charged `tokens`."""
        self._tallies["authorized_hits"][series(domain, labels)] += tokens

    def text(self) -> str:
        """Prometheus text exposition, format 0.0.4."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        for name, tally in self._tallies.items():
            yield f"# HELP {name} {HELP[name]}"
            yield f"# TYPE {name} counter"
            for (domain, labels), value in sorted(tally.items()):
                pairs = [("limitador_namespace", domain), *labels]
                inner = ",".join(f'{label}="{escaped(text)}"' for label, text in pairs)
                yield f"{name}{{{inner}}} {value}"
        yield "# HELP limitador_up Whether the limiter is serving"
        yield "# TYPE limitador_up gauge"
        yield "limitador_up 1"


def series(domain: str, labels: Mapping[str, str]) -> Series:
    """A hashable name of one series."""
    return domain, tuple(labels.items())


def escaped(text: str) -> str:
    """A label value in the exposition format."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
