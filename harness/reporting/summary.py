"""`summary.json`: a run in numbers and lists, for programs."""

from typing import Any

import msgspec
import orjson

from harness.engine.record import CheckRecord, RunRecord
from harness.reporting.document import Document
from harness.reporting.traced import Traced, traced


class SummaryWriter(Document):
    """Writes the summary at the end of a run."""

    name = "summary.json"

    def content(self, record: RunRecord) -> bytes:
        """The document of `summary`, indented."""
        return orjson.dumps(summary(record), option=orjson.OPT_INDENT_2) + b"\n"


def summary(record: RunRecord) -> dict[str, Any]:
    """The document. Counts are numbers; the lists behind them have names of their own."""
    joined = traced(record)
    start, end, counts = record.started, record.finished, record.counts
    return {
        "verdict": end.reason if end else "the run was interrupted",
        "exit_code": end.exit_code if end else None,
        "passed": counts["passed"],
        "failed": counts["failed"],
        "known_failure": counts["known_failure"],
        "not_runnable": counts["not_runnable"],
        "skipped": counts["skipped"],
        "passed_on_retry": counts["passed_on_retry"],
        "unfinished": len(record.unfinished),
        "duration_s": end.duration_s if end else None,
        "checks_s": round(joined.checks_s, 3),
        "startup_s": start.startup_s if start else None,
        "run_id": start.run_id if start else None,
        "target": start.target if start else None,
        "stack": start.stack if start else None,
        "profile": start.profile if start else None,
        "suite_version": start.suite_version if start else None,
        "catalogue_digest": joined.rows.digest,
        "requirements": _requirements(joined),
        "failures": [_failure(check) for check in record.having("failed")],
        "known_failures": [
            {**_failure(check), "known": msgspec.to_builtins(check.known)} for check in record.having("known_failure")
        ],
        "outdated_known_failures": [entry.subject for entry in record.outdated],
        "not_runnable_checks": [_reason(check) for check in record.having("not_runnable")],
        "skipped_checks": [_reason(check) for check in record.having("skipped")],
        "passed_on_retry_checks": [check.planned.check_id for check in record.having("passed_on_retry")],
        "unfinished_checks": [check.planned.check_id for check in record.unfinished],
        "uncollected": [msgspec.to_builtins(failed) for failed in record.collection_failures],
        "lost_workers": [msgspec.to_builtins(lost) for lost in record.lost_workers],
        "left_behind": list(record.left_behind),
        "credentials_in": list(record.credentials_in),
        "characteristics": [
            {"check": fact.check_id, "name": fact.name, "value": fact.value, "unit": fact.unit}
            for check in record.checks.values()
            for fact in check.characteristics
        ],
    }


def _requirements(joined: Traced) -> dict[str, Any]:
    def in_state(state: str) -> list[str]:
        return [row for row, found in joined.states.items() if found == state]

    return {
        "covered": joined.coverage.covered,
        "total": joined.coverage.total,
        "proven": in_state("proven"),
        "broken": in_state("broken"),
        "not_evaluated": in_state("not_evaluated"),
        "uncovered": [
            {"id": entry.requirement.id, "level": entry.requirement.level, "reason": entry.reason}
            for entry in joined.coverage.uncovered
        ],
    }


def _failure(check: CheckRecord) -> dict[str, Any]:
    final = check.final
    failure = msgspec.to_builtins(final.failure) if final and final.failure else {}
    return {"check": check.planned.check_id, "file": check.planned.file, "line": check.planned.line, **failure}


def _reason(check: CheckRecord) -> dict[str, Any]:
    return {"check": check.planned.check_id, "reason": check.final.reason if check.final else None}
