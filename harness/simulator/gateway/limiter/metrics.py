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
    """Counters by route (`limitador_namespace`) and labels; a label without a value is absent.

    `label` says which labels each route's series have; before it was called, they have all that is known of a call.
    """

    __slots__ = ("_labels", "_tallies")

    def __init__(self) -> None:
        self._labels: Mapping[str, Mapping[str, str]] | None = None
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


def escaped(text: str) -> str:
    """A label value in the exposition format."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
