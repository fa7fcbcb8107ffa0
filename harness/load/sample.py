"""What the generator notes of each request, and of itself; one file between its process and the judge."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from harness.load.profile import Kind


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request. Times are seconds; `intended_s` and `started_s` count from the start of the load.

    `tokens` is what the response stated, None when it stated nothing; `error` is None for a 200 that was read to its end.
    """

    request_id: str
    member: int
    kind: Kind
    intended_s: float
    started_s: float
    latency_s: float
    status: int | None
    ttft_s: float | None = None
    tokens: int | None = None
    error: str | None = None

    @property
    def ended_s(self) -> float:
        """When its last byte was read."""
        return self.started_s + self.latency_s

    @property
    def latency_from_intended_s(self) -> float:
        """What somebody felt who wanted the answer at the intended time: the wait for a free user included."""
        return self.ended_s - self.intended_s


class GeneratorReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The generator's own state over the measured time: CPU in cores, and how late its timers fired (p95)."""

    cpu_cores: float
    timer_lag_p95_s: float
    users: int


class LoadResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that the generator's process hands over."""

    generator: GeneratorReport
    samples: tuple[Sample, ...]

    def save(self, path: Path) -> None:
        """Write whole or not at all."""
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(msgspec.json.encode(self))
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> "LoadResult":
        """Read what `save` wrote. Raises OSError or msgspec.DecodeError."""
        return msgspec.json.decode(path.read_bytes(), type=LoadResult)


def percentile(values: Iterable[float], share: float) -> float | None:
    """Nearest-rank percentile, so that the number is one that was measured; None for no values."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1)]
