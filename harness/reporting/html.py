"""`report.html`: one self-contained page for a manager and an engineer, from the record and nothing else."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.client.trace import trace_id
from harness.engine.canary import SILENT_LIMITS
from harness.engine.events import AnyEvent, ExchangeRecorded
from harness.engine.record import CheckRecord, RunRecord
from harness.outcome import ExitCode
from harness.reporting.allure import http_text
from harness.reporting.areas import area_of
from harness.reporting.bundle import book_lines
from harness.reporting.document import Document
from harness.reporting.outline import BLAMES, LEVELS, WORDS, decides, gravity, level_of, title_of
from harness.reporting.page import template
from harness.reporting.plot import Distribution, histogram, number
from harness.reporting.timing import Timing
from harness.reporting.traced import traced

TEMPLATE = "report.html.j2"


@dataclass(slots=True)
class _Area:
    """One row of the areas' table."""

    name: str
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.counts.values())


class HtmlWriter(Document):
    """Writes the page at the end of a run; hears every exchange for the distributions."""

    name = "report.html"

    def __init__(self, out: Path) -> None:
        super().__init__(out)
        self._timing = Timing()

    def on_event(self, event: AnyEvent, record: RunRecord) -> None:
        """Keep the times; bodies stay in the journal."""
        if isinstance(event, ExchangeRecorded):
            self._timing.add(event)

    def content(self, record: RunRecord) -> bytes:
        """The page."""
        return template(TEMPLATE).render(**page(record, self._timing)).encode()


def page(record: RunRecord, timing: Timing) -> dict[str, Any]:
    """What the template shows."""
    joined = traced(record)
    end, start = record.finished, record.started
    code = end.exit_code if end else int(ExitCode.INVALID)
    failed = sorted(record.having("failed"), key=gravity)
    return {
        "title": title_of(record),
        "tone": "odd" if code == 0 and record.counts["known_failure"] else {0: "good", 1: "bad"}.get(code, "odd"),
        "code": code,
        "verdict": end.reason if end else "the run was interrupted",
        "canary": SILENT_LIMITS if record.broken_canaries else None,
        "counts": [(WORDS[outcome], record.counts[outcome]) for outcome in WORDS],
        "unfinished": len(record.unfinished),
        "coverage": joined.coverage,
        "proven": sum(state == "proven" for state in joined.states.values()),
        "facts": list(_facts(record, joined.checks_s)),
        "areas": _areas(record),
        "words": WORDS,
        "headline": _headline(record),
        "failures": [_failure(check) for check in failed if decides(check)],
        "weaknesses": [_failure(check) for check in failed if not decides(check)],
        "known": [_failure(check) for check in record.having("known_failure")],
        "problems": _problems(record),
        "checks": [_check(record, check) for check in record.checks.values()],
        "requirements": [
            {"row": row, "state": joined.states[row.id], "checks": joined.coverage.checks.get(row.id, ())}
            for row in joined.rows
            if row.id in joined.states
        ],
        "why": {entry.requirement.id: entry.reason for entry in joined.coverage.uncovered},
        "characteristics": list(_characteristics(record)),
        "timings": [_plotted(name, values, "ms") for name, values in sorted(timing.samples.items())],
        "run_id": start.run_id if start else "",
    }


def _headline(record: RunRecord) -> list[str]:
    """What a reader asks first: whose platform, when, by which measure, and whether all of it was judged."""
    start = record.started
    if start is None:
        return []
    named = start.product
    product = (
        " ".join(filter(None, (named.organization, named.project, named.version, named.configuration))) if named else ""
    )
    left_out = len(record.proofs.keys() - record.checks.keys())
    judged = (
        f"{len(record.checks)} of the suite's {len(record.proofs)} checks"
        if left_out
        else f"all {len(record.checks)} checks"
    )
    return [
        *([product] if product else []),
        f"target {start.target} ({start.stack})",
        f"profile {start.profile}: {judged}",
        f"suite {start.suite_version}",
        f"{datetime.fromtimestamp(start.at, UTC):%Y-%m-%d}",
    ]


def _facts(record: RunRecord, checks_s: float) -> Iterable[tuple[str, str]]:
    start, end = record.started, record.finished
    if start:
        yield "target", f"{start.target} ({start.stack})"
        yield "profile", start.profile
        if start.product:
            named = start.product
            yield (
                "product",
                " ".join(filter(None, (named.organization, named.project, named.version, named.configuration))),
            )
        yield "suite", start.suite_version
        yield "catalogue", traced(record).rows.digest
        yield "run", start.run_id
        yield "began", datetime.fromtimestamp(start.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        if start.startup_s is not None:
            yield "platform ready in", f"{start.startup_s:.1f} s"
    yield "checks took", f"{checks_s:.1f} s"
    if end:
        yield "all took", f"{end.duration_s:.1f} s"
    if start:
        yield from ((f"version of {name}", value) for name, value in start.versions.items())
        yield from (
            (name.replace("_", " "), value if isinstance(value, str) else f"{value:g}")
            for name, value in start.parameters.items()
        )


def _areas(record: RunRecord) -> list[_Area]:
    areas: dict[str, _Area] = {}
    for check_id, check in record.checks.items():
        area = areas.setdefault(name := area_of(record, check_id), _Area(name))
        outcome = check.outcome or "unfinished"
        area.counts[outcome] = area.counts.get(outcome, 0) + 1
    return sorted(areas.values(), key=lambda area: area.name)


def _failure(check: CheckRecord) -> dict[str, Any]:
    final = check.final
    taken = check.diagnostics[-1] if check.diagnostics else None
    level = level_of(final.failure) if final and final.failure else None
    return {
        "id": check.planned.check_id,
        "title": check.planned.title,
        "where": f"{check.planned.file}:{check.planned.line}",
        "failure": final.failure if final else None,
        "level": level,
        "level_means": LEVELS[level] if level else "",
        "known": check.known,
        "attempts": len(check.attempts),
        "exchanges": [
            {
                "line": f"{exchange.method} {exchange.url} → {exchange.status or exchange.error}",
                "trace": _trace(exchange),
                "text": http_text(exchange),
            }
            for exchange in check.exchanges
        ],
        "blame": BLAMES[final.failure.blame] if final and final.failure else "",
        "objects": taken.objects if taken else (),
        "books": "\n".join(book_lines(taken.books)) if taken else "",
        "logs": taken.logs if taken else {},
        "traceback": taken.traceback if taken else "",
        "unavailable": taken.unavailable if taken else (),
    }


def _trace(exchange: ExchangeRecorded) -> str:
    headers = {name.lower(): value for name, value in exchange.request_headers.items()}
    trace = trace_id(headers.get("traceparent"))
    return " ".join(filter(None, [f"trace {trace}" if trace else "", f"request {exchange.request_id}"]))


def _check(record: RunRecord, check: CheckRecord) -> dict[str, Any]:
    final = check.final
    outcome = check.outcome or "unfinished"
    return {
        "id": check.planned.check_id,
        "title": check.planned.title,
        "area": area_of(record, check.planned.check_id),
        "outcome": outcome,
        "word": WORDS[check.outcome] if check.outcome else "unfinished",
        "requirements": check.planned.requirements,
        "duration": f"{check.duration_s:.2f}",
        "reason": (final.reason if final else None) or (final.failure.observed if final and final.failure else ""),
        "canary": check.planned.canary,
        "alone": check.planned.alone,
    }


def _problems(record: RunRecord) -> list[str]:
    return [
        *(f"not collected: {failed.where}: {failed.problem}" for failed in record.collection_failures),
        *(f"worker {lost.name} was lost: {lost.reason}" for lost in record.lost_workers),
        *(f"left behind: {name}" for name in record.left_behind),
        *(f"a live credential was written to {name}" for name in record.credentials_in),
    ]


def _characteristics(record: RunRecord) -> Iterable[dict[str, Any]]:
    values: dict[tuple[str, str], list[float]] = {}
    for check in record.checks.values():
        for fact in check.characteristics:
            values.setdefault((fact.name, fact.unit), []).append(fact.value)
    for (name, unit), found in sorted(values.items()):
        yield _plotted(name, found, unit)


def _plotted(name: str, values: list[float], unit: str) -> dict[str, Any]:
    seen = Distribution.of(values)
    return {
        "name": name,
        "unit": unit,
        "count": seen.count,
        "numbers": [number(value) for value in (seen.smallest, seen.median, seen.p95, seen.largest)],
        "plot": histogram(values, name, unit) if seen.largest > seen.smallest else None,
    }
