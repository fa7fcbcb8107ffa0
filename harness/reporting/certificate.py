"""`report.yaml`: the record as a ConformanceReport, with the digests of everything it rests on."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from harness.engine.journal import JOURNAL
from harness.engine.record import CheckRecord, RunRecord
from harness.outcome import ExitCode
from harness.platforms.platform import Parameters
from harness.reporting.bundle import FOLDER as FAILURES
from harness.reporting.conformance import (
    Characteristic,
    CheckResult,
    ConformanceReport,
    FailureReport,
    Feature,
    FeatureState,
    Implementation,
    KnownFailureReport,
    PlatformIdentity,
    RequirementResult,
    Result,
    Run,
    SuiteIdentity,
)
from harness.reporting.document import Document
from harness.reporting.quick_yaml import dump_yaml
from harness.reporting.traced import Traced, traced

NAME: Final = "report.yaml"
VALIDITY: Final = timedelta(days=365)
EVIDENCE: Final = (JOURNAL, "summary.json", "junit.xml", "report.html", "allure-results", "badge.json", FAILURES)
WHERE_FAILED: Final = frozenset({FAILURES})
"""Evidence that is there only where a check failed."""


class CertificateWriter(Document):
    """Writes the report last, since it names the digests of the others; a run that judged nothing gets none."""

    name = NAME

    def finish(self, record: RunRecord) -> None:
        """Write it, unless the run never began to judge; a report of an earlier run does not stay."""
        if record.started is None or record.finished is None:
            (self._out / NAME).unlink(missing_ok=True)
            return
        super().finish(record)

    def content(self, record: RunRecord) -> bytes:
        """YAML, in the order of the model."""
        return as_yaml(report_of(record, digests(self._out)))


def as_yaml(report: ConformanceReport) -> bytes:
    """The document as it is written."""
    document = report.model_dump(mode="json", by_alias=True, exclude_none=True)
    return dump_yaml(document)


def report_of(record: RunRecord, evidence: dict[str, str]) -> ConformanceReport:
    """The report that this record amounts to. Raises ValueError when the run never began or never ended."""
    start, end = record.started, record.finished
    if start is None or end is None:
        raise ValueError("a report needs a run that began and ended")
    joined = traced(record)
    began = _time(start.at)
    return ConformanceReport(
        statement=f"MaaS conformance report, suite {start.suite_version}, profile {start.profile}, self-run",
        implementation=Implementation(**msgspec.to_builtins(start.product)) if start.product else Implementation(),
        suite=SuiteIdentity(version=start.suite_version, catalogue=start.catalogue_digest, checks=start.suite_digest),
        platform=PlatformIdentity.model_validate(
            {
                "target": start.target,
                "stack": start.stack,
                "versions": start.versions,
                "parameters": start.parameters,
                "overrides": overrides(start.parameters),
            }
        ),
        profile=start.profile,
        run=Run(
            id=start.run_id,
            started_at=began,
            finished_at=_time(end.at),
            duration_seconds=end.duration_s,
            startup_seconds=start.startup_s,
            arguments=start.arguments,
            seed=start.seed,
        ),
        valid_until=began + VALIDITY,
        result=_result(record, end.exit_code, end.reason),
        features=tuple(_features(record, joined)),
        requirements=tuple(_requirements(joined)),
        checks=tuple(_check(check) for check in record.checks.values()),
        characteristics=tuple(
            Characteristic(check=fact.check_id, name=fact.name, value=fact.value, unit=fact.unit)
            for check in record.checks.values()
            for fact in check.characteristics
        ),
        evidence=evidence,
    )


def overrides(parameters: dict[str, float | str]) -> dict[str, float | str]:
    """Those that are not the suite's own."""
    own: dict[str, Any] = Parameters().model_dump()
    return {name: value for name, value in parameters.items() if own.get(name) != value}


def digests(out: Path) -> dict[str, str]:
    """SHA-256 of every file of evidence that is there; of a folder, over the names and contents of its files."""
    found = {}
    for name in EVIDENCE:
        path = out / name
        if path.is_file():
            found[name] = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.is_dir():
            whole = hashlib.sha256()
            for file in sorted(file for file in path.rglob("*") if file.is_file()):
                whole.update(
                    f"{file.relative_to(path).as_posix()} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode()
                )
            found[name] = "sha256:" + whole.hexdigest()
    return found


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(round(at), UTC)


def _result(record: RunRecord, code: int, reason: str) -> Result:
    counts = record.counts
    return Result(
        conformant=code == ExitCode.CONFORMANT and not counts["known_failure"],
        exit_code=code,
        reason=reason,
        passed=counts["passed"],
        failed=counts["failed"],
        known_failures=counts["known_failure"],
        not_runnable=counts["not_runnable"],
        skipped=counts["skipped"],
        passed_on_retry=counts["passed_on_retry"],
        unfinished=len(record.unfinished),
    )


def _features(record: RunRecord, joined: Traced) -> Iterable[Feature]:
    areas: dict[str, Counter[str]] = {}
    outcomes: dict[str, set[str]] = {}
    for requirement_id, state in joined.states.items():
        area = joined.rows.get(requirement_id).area
        areas.setdefault(area, Counter())[state] += 1
        checks = [
            record.checks[name] for name in joined.coverage.checks.get(requirement_id, ()) if name in record.checks
        ]
        outcomes.setdefault(area, set()).update(check.outcome or "unfinished" for check in checks)
    for area, states in areas.items():
        yield Feature(
            area=area,
            state="unsupported" if outcomes[area] == {"not_runnable"} else _feature_state(states),
            proven=states["proven"],
            broken=states["broken"],
            not_evaluated=states["not_evaluated"],
            uncovered=states["uncovered"],
        )


def _feature_state(states: Counter[str]) -> FeatureState:
    if states["broken"]:
        return "unproven"
    if states["not_evaluated"]:
        return "unproven" if states["proven"] else "not_evaluated"
    return "proven" if states["proven"] else "not_evaluated"


def _requirements(joined: Traced) -> Iterable[RequirementResult]:
    why = {entry.requirement.id: entry.reason for entry in joined.coverage.uncovered}
    for requirement_id, state in joined.states.items():
        row = joined.rows.get(requirement_id)
        yield RequirementResult(
            id=row.id, level=row.level, promise=row.requirement, state=state, reason=why.get(requirement_id)
        )


def _check(check: CheckRecord) -> CheckResult:
    final = check.final
    failure = final.failure if final else None
    return CheckResult(
        id=check.planned.check_id,
        requirements=check.planned.requirements,
        outcome=check.outcome or "unfinished",
        attempts=len(check.attempts),
        duration_seconds=round(check.duration_s, 3),
        reason=final.reason if final else None,
        failure=FailureReport(
            requirement=failure.requirement,
            expected=failure.expected,
            observed=failure.observed,
            blame=failure.blame,
            detail=failure.detail,
            curl=failure.curl,
            known=KnownFailureReport(
                subject=check.known.subject,
                issue=check.known.issue,
                expires=check.known.expires,
                comment=check.known.comment,
            )
            if check.known
            else None,
        )
        if failure
        else None,
    )
