"""What a step of GitHub Actions shows."""

import io
from pathlib import Path

import msgspec

from harness.engine.record import RunRecord
from harness.reporting.github import MOST, GitHubReporter, annotation, on_github
from tests.reporting.made_up_run import FAILURE, finished, planned


def test_an_annotation_stands_at_the_scenarios_line(record: RunRecord) -> None:
    text = annotation(record.checks["scenarios/quota/test_limits.py::fails"])
    assert text.startswith(
        "::error file=scenarios/quota/test_limits.py,line=7,title=MAAS-RATE-001%3A after the token budget"
    )
    assert "::expected 429%0Aobserved 200%0Acurl -H" in text
    assert "\n" not in text
    assert annotation(record.checks["scenarios/quota/test_limits.py::broken"]).startswith("::warning ")


def test_the_summary_has_the_verdict_first_and_the_failures_folded(record: RunRecord, tmp_path: Path) -> None:
    summary, terminal = tmp_path / "summary.md", io.StringIO()
    GitHubReporter({"GITHUB_STEP_SUMMARY": str(summary)}, terminal).finish(record)
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("## MaaS conformance: not conformant\n\nnot conformant: 1 of 7 checks failed")
    assert "| token-rate-limits | 3 | 1 |" in text
    assert "<summary>MAAS-RATE-001" in text
    assert "$MAAS_KEY" in text
    assert "- not runnable: needs clock: time is real here" in text
    assert len(terminal.getvalue().splitlines()) == 2


def test_no_more_annotations_than_are_shown() -> None:
    plan = [planned(f"check_{number}") for number in range(MOST + 3)]
    record = RunRecord.of(
        [*plan, *(finished(f"check_{number}", "failed", failure=FAILURE) for number in range(MOST + 3))]
    )
    terminal = io.StringIO()
    GitHubReporter({}, terminal).finish(record)
    assert len(terminal.getvalue().splitlines()) == MOST


def test_what_decides_is_told_before_what_does_not() -> None:
    observed = msgspec.structs.replace(FAILURE, requirement="MAAS-RATE-025", title="MAAS-RATE-025: seen")
    names = [f"check_{number}" for number in range(MOST + 1)]
    record = RunRecord.of(
        [
            *map(planned, names),
            *(finished(name, "failed", failure=observed) for name in names[:-1]),
            finished(names[-1], "failed", failure=FAILURE),
        ]
    )
    terminal = io.StringIO()
    GitHubReporter({}, terminal).finish(record)
    kinds = [line.split(" ", 1)[0] for line in terminal.getvalue().splitlines()]
    assert kinds == ["::error", *["::notice"] * (MOST - 1)]


def test_other_places_are_not_github() -> None:
    assert not on_github({"CI": "true"})
    assert on_github({"GITHUB_ACTIONS": "true"})
