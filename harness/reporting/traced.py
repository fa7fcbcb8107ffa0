"""A run's record joined with the catalogue: which requirements were asked for, covered, proven and broken."""

from dataclasses import dataclass
from typing import Literal

from harness.engine.record import CheckRecord, RunRecord
from harness.spec.catalogue import Catalogue, catalogue
from harness.spec.coverage import Coverage, coverage_of
from harness.spec.profile import DEFAULT_PROFILE, profiles

State = Literal["proven", "broken", "not_evaluated", "uncovered"]


@dataclass(frozen=True, slots=True)
class Traced:
    """`states` has every requirement of the profile; `checks_s` is from the first check's start to the last one's end."""

    rows: Catalogue
    coverage: Coverage
    states: dict[str, State]
    checks_s: float


def traced(record: RunRecord) -> Traced:
    """Join them. Coverage counts every check of the suite, states only the verdicts of this run."""
    rows = catalogue()
    name = record.started.profile if record.started else DEFAULT_PROFILE
    profile = profiles().get(name) or profiles()[DEFAULT_PROFILE]
    coverage = coverage_of(profile.requirements(rows), record.proofs)
    states = {
        row.id: _state(
            [record.checks[check] for check in coverage.checks.get(row.id, ()) if check in record.checks], row.id
        )
        if row.id in coverage.checks
        else "uncovered"
        for row in profile.requirements(rows)
    }
    return Traced(rows, coverage, states, _checks_s(record))


def _state(checks: list[CheckRecord], requirement_id: str) -> State:
    """Broken by one check is broken; proven only when every check of the suite that ran for it passed and at least one ran."""
    for check in checks:
        if check.outcome in ("failed", "known_failure") and _names(check, requirement_id):
            return "broken"
    outcomes = {check.outcome for check in checks}
    if checks and outcomes <= {"passed", "passed_on_retry"}:
        return "proven"
    return "not_evaluated"


def _names(check: CheckRecord, requirement_id: str) -> bool:
    final = check.final
    return final is not None and final.failure is not None and final.failure.requirement == requirement_id


def _checks_s(record: RunRecord) -> float:
    starts = [check.started[0].at for check in record.checks.values() if check.started]
    ends = [attempt.at for check in record.checks.values() for attempt in check.attempts]
    return max(ends) - min(starts) if starts and ends else 0.0
