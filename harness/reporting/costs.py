"""What each check cost when it was measured: the base of a plan's minutes and tokens.

`python -m harness.reporting.costs RUN` prints the costs of a run in that folder; `reports/costs.json` is such a print from the embedded
platform, and `plan --from RUN` takes a run of one's own instead.
"""

import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec

from harness.engine.events import AnyEvent, ExchangeRecorded
from harness.engine.journal import read_journal
from harness.engine.record import RunRecord
from harness.outcome import UsageFault
from harness.reporting.data import report_data


class CheckCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One check: seconds on the clock, HTTP requests to the platform, and tokens that their responses state."""

    seconds: float
    requests: int
    tokens: int


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a whole run; `target` says where it was measured."""

    target: str
    startup_s: float
    checks: dict[str, CheckCost]


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of a selection of checks; `unmeasured` of them were taken for the median of the others."""

    seconds: float
    requests: int
    tokens: int
    unmeasured: int
    measured_on: str


def costs_of(events: Iterable[AnyEvent]) -> Costs:
    """Add up a journal; checks that did not run cost nothing and are left out."""
    known = list(events)
    record = RunRecord.of(known)
    exchanges: dict[str, list[ExchangeRecorded]] = {}
    for event in known:
        if isinstance(event, ExchangeRecorded):
            exchanges.setdefault(event.check_id, []).append(event)
    start = record.started
    return Costs(
        start.target if start else "unknown",
        (start.startup_s or 0.0) if start else 0.0,
        {
            check_id: CheckCost(
                round(check.duration_s, 3),
                len(exchanges.get(check_id, ())),
                sum(exchange.total_tokens or 0 for exchange in exchanges.get(check_id, ())),
            )
            for check_id, check in record.checks.items()
            if check.outcome in {"passed", "failed", "known_failure", "passed_on_retry"}
        },
    )


def packaged_costs() -> Costs:
    """The costs that come with the suite."""
    return msgspec.json.decode(report_data("costs.json").read_bytes(), type=Costs)


def measured_costs(run: Path) -> Costs:
    """The costs of a run in this folder. Raises UsageFault when it holds none."""
    costs = costs_of(read_journal(run))
    if not costs.checks:
        raise UsageFault(f"the run in {run} measured no check")
    return costs


def forecast(costs: Costs, checks: Iterable[str], workers: int, *, alone: Collection[str] = frozenset()) -> Forecast:
    """What these checks will take: seconds on the clock with so many workers, start-up included, requests and tokens.

    Those that run `alone` do so one after another, when the others have finished.
    """
    wanted = list(checks)
    found = [costs.checks[check] for check in wanted if check in costs.checks]
    missing = len(wanted) - len(found)
    usual = median(cost.seconds for cost in costs.checks.values()) if costs.checks else 0.0
    seconds = {check: costs.checks[check].seconds if check in costs.checks else usual for check in wanted}
    together = [took for check, took in seconds.items() if check not in alone]
    one_by_one = sum(took for check, took in seconds.items() if check in alone)
    return Forecast(
        seconds=costs.startup_s + max(sum(together) / max(workers, 1), max(together, default=0.0)) + one_by_one,
        requests=sum(cost.requests for cost in found),
        tokens=sum(cost.tokens for cost in found),
        unmeasured=missing,
        measured_on=costs.target,
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(
        msgspec.json.format(msgspec.json.encode(measured_costs(Path(sys.argv[1]))), indent=1) + b"\n"
    )
