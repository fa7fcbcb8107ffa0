"""`allure-results/`: one result an attempt, so that Allure shows retries as retries, written from the journal and from nothing else.

Behaviours are grouped by area, requirement and check; severity follows the requirement's level; the history id is that of the check and
survives any number of workers.
"""

import hashlib
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import orjson

from harness.engine.events import AnyEvent, CheckFinished, DiagnosticsTaken, ExchangeRecorded, RunStarted
from harness.engine.record import CheckRecord, RunRecord
from harness.reporting.bundle import book_lines
from harness.reporting.junit import level_of
from harness.spec.catalogue import catalogue

FOLDER: Final = "allure-results"
_SEVERITY: Final = {"must": "critical", "should": "normal", "may": "minor", "observe": "trivial"}
_STATUS: Final = {"passed": "passed", "passed_on_retry": "passed", "not_runnable": "skipped", "skipped": "skipped"}
_NAMESPACE: Final = uuid.UUID("5f0e7a0e-6f0c-5c39-9a55-6f0b8d6b2f11")
_WRITTEN: Final = ("*-result.json", "*-attachment.*", "categories.json", "environment.properties")
CATEGORIES: Final = (
    {"name": "Not conformant", "matchedStatuses": ["failed"], "messageRegex": "(?s)(?!known failure).*"},
    {"name": "Known failures", "matchedStatuses": ["failed"], "messageRegex": "(?s)known failure.*"},
    {"name": "Environment not ready", "matchedStatuses": ["broken"], "messageRegex": "(?s)environment: .*"},
    {"name": "Fault of the harness", "matchedStatuses": ["broken"], "messageRegex": "(?s)harness: .*"},
    {"name": "Invalid: no verdict", "matchedStatuses": ["unknown"]},
    {"name": "Not runnable here", "matchedStatuses": ["skipped"], "messageRegex": "(?s)not runnable: .*"},
    {"name": "Skipped", "matchedStatuses": ["skipped"]},
    {"name": "Passed on retry", "matchedStatuses": ["passed"], "flaky": True},
)


class AllureWriter:
    """Writes the folder at the end of a run; files of others in it stay."""

    def __init__(self, out: Path) -> None:
        self._folder = out / FOLDER

    def on_event(self, event: AnyEvent, record: RunRecord) -> None:
        """Nothing to say before the end."""

    def finish(self, record: RunRecord) -> None:
        """Replace what an earlier run wrote."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for pattern in _WRITTEN:
            for path in self._folder.glob(pattern):
                path.unlink()
        run_id = record.started.run_id if record.started else "unknown"
        for check in record.checks.values():
            self._write_check(check, run_id)
        self._write_json("categories.json", CATEGORIES)
        if record.started:
            environment = "".join(f"{name}={value}\n" for name, value in _environment(record.started))
            (self._folder / "environment.properties").write_text(environment, encoding="utf-8")

    def _write_check(self, check: CheckRecord, run_id: str) -> None:
        attempts: list[CheckFinished | None] = [*check.attempts] or [None]
        for attempt in attempts:
            number = attempt.attempt if attempt else 0
            identity = str(uuid.uuid5(_NAMESPACE, f"{run_id} {check.planned.check_id} {number}"))
            attachments = [
                self._attach(identity, index, name, kind, text)
                for index, (name, kind, text) in enumerate(_evidence(check, attempt))
            ]
            self._write_json(f"{identity}-result.json", _result(check, attempt, identity, attachments))

    def _attach(self, identity: str, index: int, name: str, kind: str, text: str) -> dict[str, str]:
        suffix = "json" if kind == "application/json" else "txt"
        source = f"{identity}-{index}-attachment.{suffix}"
        (self._folder / source).write_text(text, encoding="utf-8")
        return {"name": name, "source": source, "type": kind}

    def _write_json(self, name: str, document: Any) -> None:
        (self._folder / name).write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))


def history_id(check_id: str) -> str:
    """Allure's name for the same check in every run."""
    return hashlib.md5(check_id.encode(), usedforsecurity=False).hexdigest()


def _result(
    check: CheckRecord, attempt: CheckFinished | None, identity: str, attachments: list[dict[str, str]]
) -> dict[str, Any]:
    planned = check.planned
    stop = attempt.at if attempt else (check.started[-1].at if check.started else planned.at)
    start = stop - attempt.duration_s if attempt else stop
    rows = [catalogue().get(name) for name in planned.requirements]
    return {
        "uuid": identity,
        "historyId": history_id(planned.check_id),
        "testCaseId": history_id(planned.check_id),
        "fullName": planned.check_id,
        "name": planned.title,
        "description": "\n\n".join(f"**{row.id}** ({row.level}) {row.requirement}" for row in rows),
        "status": _status(attempt),
        "statusDetails": _details(check, attempt),
        "stage": "finished",
        "start": int(start * 1000),
        "stop": int(stop * 1000),
        "labels": _labels(check, attempt),
        "links": [
            *({"type": "tms", "name": row.id, "url": f"../report.html#{row.id}"} for row in rows),
            *([{"type": "issue", "name": check.known.issue, "url": check.known.issue}] if check.known else []),
        ],
        "parameters": [
            {"name": fact.name, "value": f"{fact.value:g} {fact.unit}", "excluded": True}
            for fact in check.characteristics
        ],
        "attachments": attachments,
        "steps": [],
    }


def _status(attempt: CheckFinished | None) -> str:
    if attempt is None:
        return "unknown"
    if attempt.outcome == "failed":
        return "failed" if attempt.failure and attempt.failure.blame == "platform" else "broken"
    return _STATUS[attempt.outcome]


def _details(check: CheckRecord, attempt: CheckFinished | None) -> dict[str, Any]:
    if attempt is None:
        return {"message": "the run ended before this check came to a verdict"}
    if attempt.failure:
        failure = attempt.failure
        blame = "" if failure.blame == "platform" else f"{failure.blame}: "
        known = check.known if attempt is check.final else None
        if known:
            blame = f"known failure until {known.expires}, {known.issue}: "
        traces = [taken.traceback for taken in check.diagnostics if taken.attempt == attempt.attempt]
        return {
            "message": f"{blame}{failure.title}\nexpected {failure.expected}\nobserved {failure.observed}"
            + (f"\n{failure.detail}" if failure.detail else ""),
            "trace": "\n".join(filter(None, [failure.curl, *traces])),
            **({"known": True} if known else {}),
        }
    if attempt.outcome == "not_runnable":
        return {"message": f"not runnable: {attempt.reason}"}
    if attempt.outcome == "passed_on_retry":
        return {"message": f"passed on attempt {attempt.attempt}", "flaky": True}
    return {"message": attempt.reason} if attempt.reason else {}


def _labels(check: CheckRecord, attempt: CheckFinished | None) -> list[dict[str, str]]:
    planned = check.planned
    rows = [catalogue().get(name) for name in planned.requirements]
    package, _, _ = planned.file.removesuffix(".py").rpartition("/")
    pairs = [("epic", area) for area in dict.fromkeys(row.area for row in rows)]
    pairs += [("feature", f"{row.id} {row.requirement}") for row in rows]
    pairs += [
        ("story", planned.title),
        ("severity", _SEVERITY[level_of(rows)]),
        ("parentSuite", package.replace("/", ".")),
        ("suite", planned.file),
        ("package", planned.file.removesuffix(".py").replace("/", ".")),
        ("thread", attempt.worker if attempt else planned.worker),
        ("framework", "maas-conformance"),
        ("language", "python"),
        *(("tag", row.level) for row in rows[:1]),
        *(("tag", f"needs-{need}") for need in planned.needs),
    ]
    return [{"name": name, "value": value} for name, value in pairs]


def _evidence(check: CheckRecord, attempt: CheckFinished | None) -> Iterable[tuple[str, str, str]]:
    """Name, media type and text of what belongs to a failed attempt; an attempt that passed needs none."""
    if attempt is None or attempt.failure is None:
        return
    if attempt.failure.curl:
        yield "repeat with curl", "text/plain", attempt.failure.curl + "\n"
    begun = next((start.at for start in check.started if start.attempt == attempt.attempt), 0.0)
    for exchange in check.exchanges:
        if begun <= exchange.at <= attempt.at:
            yield f"{exchange.method} {exchange.status or exchange.error}", "text/plain", http_text(exchange)
    for taken in check.diagnostics:
        if taken.attempt == attempt.attempt:
            yield from _surroundings(taken)


def _surroundings(taken: DiagnosticsTaken) -> Iterable[tuple[str, str, str]]:
    if taken.objects:
        lines = [
            f"{state.kind} {state.namespace}/{state.name} {state.phase or ''}\n"
            + "".join(f"  {condition}\n" for condition in state.conditions)
            + "".join(f"  event: {event}\n" for event in state.events)
            for state in taken.objects
        ]
        yield "conditions and events of objects", "text/plain", "".join(lines)
    if taken.books:
        yield "books of tokens", "text/plain", "\n".join(book_lines(taken.books)) + "\n"
    for component, text in taken.logs.items():
        yield f"log of {component}", "text/plain", text
    if taken.unavailable:
        yield "not available", "text/plain", "\n".join(taken.unavailable) + "\n"


def http_text(exchange: ExchangeRecorded) -> str:
    """An exchange as a person reads it, request above response."""
    sent = [
        f"{exchange.method} {exchange.url}",
        *(f"{name}: {value}" for name, value in exchange.request_headers.items()),
    ]
    came = [str(exchange.status or exchange.error), *(f"{name}: {value}" for name, value in exchange.response_headers)]
    return "\n".join([*sent, "", exchange.request_body or "", "", *came, "", exchange.response_body, ""])


def _environment(start: RunStarted) -> Iterable[tuple[str, str]]:
    yield from (
        ("target", start.target),
        ("stack", start.stack),
        ("profile", start.profile),
        ("suite", start.suite_version),
        ("run", start.run_id),
    )
    yield from ((f"version.{name}".replace(" ", "-"), value) for name, value in start.versions.items())
    yield from ((name, value if isinstance(value, str) else f"{value:g}") for name, value in start.parameters.items())
