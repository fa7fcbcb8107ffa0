"""GitHub Actions: a summary on the job's page and annotations at the scenario's line, with workflow commands alone and no token."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TextIO

from harness.engine.events import AnyEvent
from harness.engine.record import CheckRecord, RunRecord
from harness.reporting.areas import areas_of
from harness.reporting.outline import WORDS, canary_line, counts_line, decides, gravity, known_line, title_of
from harness.reporting.traced import traced

MOST: Final = 10
"""GitHub shows no more annotations of a step; a longer list would be cut at a random place."""


class GitHubReporter:
    """Speaks to the Actions runner whose environment it is given."""

    def __init__(self, environment: Mapping[str, str], terminal: TextIO) -> None:
        self._summary = Path(environment["GITHUB_STEP_SUMMARY"]) if environment.get("GITHUB_STEP_SUMMARY") else None
        self._terminal = terminal
        self._told = False

    def on_event(self, event: AnyEvent, record: RunRecord) -> None:
        """Nothing to say before the end."""

    def finish(self, record: RunRecord) -> None:
        """Annotate and summarise; when the end was corrected afterwards, add the corrected verdict."""
        if self._told:
            self._append(f"**Corrected:** {record.finished.reason if record.finished else ''}\n")
            return
        self._told = True
        for check in _gravest(record):
            self._terminal.write(annotation(check) + "\n")
        self._terminal.flush()
        self._append(markdown(record))

    def _append(self, text: str) -> None:
        if self._summary is not None:
            with self._summary.open("a", encoding="utf-8") as file:
                file.write(text)


def on_github(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process runs in a step of GitHub Actions."""
    return environment.get("GITHUB_ACTIONS") == "true"


def annotation(check: CheckRecord) -> str:
    """One workflow command: `error` for the platform's fault, `warning` for others', `notice` for what decides nothing."""
    final, planned = check.final, check.planned
    failure = final.failure if final else None
    kind = "notice" if not decides(check) else "error" if failure and failure.blame == "platform" else "warning"
    title = failure.title if failure else planned.title
    message = f"expected {failure.expected}\nobserved {failure.observed}\n{failure.curl or ''}" if failure else "failed"
    place = f"file={_property(planned.file)},line={planned.line},title={_property(title)}"
    return f"::{kind} {place}::{_data(message.strip())}"


def markdown(record: RunRecord) -> str:
    """The summary: verdict and numbers first, failures folded below."""
    end, start = record.finished, record.started
    coverage = traced(record).coverage
    lines = [
        f"## MaaS conformance: {title_of(record).lower()}",
        "",
        end.reason if end else "interrupted",
    ]
    lines += ["", f"{counts_line(record)}; requirements with a check: {coverage.covered} of {coverage.total}"]
    if start:
        lines += ["", f"target {start.target} ({start.stack}), profile {start.profile}, suite {start.suite_version}"]
    lines += [f"\n> [!CAUTION]\n> {canary_line(canary)}" for canary in record.broken_canaries]
    if record.checks:
        lines += ["", "| area | checks | failed | weaknesses |", "| --- | ---: | ---: | ---: |"]
        lines += [
            f"| {area.name} | {area.total} | {area.failed or ''} | {area.weaknesses or ''} |"
            for area in areas_of(record)
        ]
    for check in _gravest(record):
        lines += ["", *_folded(check)]
    more = len(record.having("failed")) - MOST
    if more > 0:
        lines += ["", f"and {more} more failures: see report.html"]
    lines += [f"\n- {_text(known_line(check))}" for check in record.having("known_failure")]
    reasons = [
        f"- {WORDS['not_runnable']}: {check.final.reason}" for check in record.having("not_runnable") if check.final
    ]
    return "\n".join([*lines, "", *dict.fromkeys(reasons), ""])


def _gravest(record: RunRecord) -> list[CheckRecord]:
    """As many failures as GitHub shows: what decides before what does not."""
    return sorted(record.having("failed"), key=gravity)[:MOST]


def _folded(check: CheckRecord) -> list[str]:
    failure = check.final.failure if check.final else None
    if failure is None:
        return [f"- {check.planned.check_id} failed"]
    repeat = ["```sh", failure.curl, "```"] if failure.curl else []
    return [
        f"<details><summary>{_text(failure.title)}</summary>",
        "",
        f"`{check.planned.check_id}` ({failure.blame}{'' if decides(check) else '; decides nothing'})",
        "",
        f"expected {_text(failure.expected)}<br>observed {_text(failure.observed)}",
        "",
        *repeat,
        "</details>",
    ]


def _text(words: str) -> str:
    return words.replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
