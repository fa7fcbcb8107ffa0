"""Two reports side by side, and the verdict as a badge."""

import json
from pathlib import Path

import msgspec
import pytest

from harness.cli.command import run as maas
from harness.engine.events import AnyEvent, CharacteristicMeasured, CheckFinished, RunFinished, RunStarted
from harness.outcome import ExitCode, UsageFault
from harness.reporting.comparison import changes, read_report
from harness.reporting.regenerate import regenerate
from tests.reporting.conftest import events

PREFIX = "scenarios/quota/test_limits.py::"


def _mended(event: AnyEvent) -> AnyEvent:
    """The same run of the next release: its failure mended, a component newer, a characteristic changed."""
    if isinstance(event, CheckFinished) and event.check_id == PREFIX + "fails":
        return msgspec.structs.replace(event, outcome="passed", failure=None)
    if isinstance(event, RunStarted):
        return msgspec.structs.replace(event, versions={"envoy": "1.41.0"})
    if isinstance(event, CharacteristicMeasured):
        return msgspec.structs.replace(event, value=20.0)
    if isinstance(event, RunFinished):
        return msgspec.structs.replace(event, exit_code=0, reason="conformant in all that was judged")
    return event


@pytest.fixture
def before(tmp_path: Path) -> Path:
    (tmp_path / "before").mkdir()
    regenerate(events(), tmp_path / "before")
    return tmp_path / "before"


@pytest.fixture
def after(tmp_path: Path) -> Path:
    (tmp_path / "after").mkdir()
    regenerate([_mended(event) for event in events()], tmp_path / "after")
    return tmp_path / "after"


def test_a_mended_release_is_better_and_says_in_what(before: Path, after: Path) -> None:
    found = changes(read_report(before), read_report(after))
    assert {(change.about, change.name, change.before, change.after, change.direction) for change in found} == {
        (
            "verdict",
            "conformant",
            "not conformant: 1 of 7 checks failed",
            "conformant in all that was judged",
            "better",
        ),
        ("requirement", "MAAS-RATE-001", "broken", "proven", "better"),
        ("requirement", "MAAS-RATE-002", "not_evaluated", "proven", "better"),
        ("check", PREFIX + "fails", "failed", "passed", "better"),
        ("fact", "version of envoy", "1.40.0", "1.41.0", "other"),
        ("characteristic", "overshoot", "12 tokens", "20 tokens", "other"),
    }


def test_the_way_back_is_worse_and_told_first(before: Path, after: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert maas(["diff", str(after), str(before)]) == ExitCode.NOT_CONFORMANT
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["worse"] * 4 + ["other"] * 2
    assert maas(["diff", str(before), str(after), "--json"]) == ExitCode.CONFORMANT
    assert len(json.loads(capsys.readouterr().out)) == 6


def test_a_report_does_not_differ_from_itself(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert maas(["diff", str(before), str(before / "report.yaml")]) == ExitCode.CONFORMANT
    assert capsys.readouterr().out == "nothing changed\n"


@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot read the report"), ("kind: Pod", "is no ConformanceReport")]
)
def test_what_is_no_report_is_one_sentence(tmp_path: Path, content: str | None, words: str) -> None:
    if content:
        (tmp_path / "report.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(UsageFault, match=words):
        read_report(tmp_path)


def test_the_badge_says_no_more_than_was_judged(before: Path, after: Path) -> None:
    good, bad = (json.loads((folder / "badge.json").read_bytes()) for folder in (after, before))
    assert good == {
        "schemaVersion": 1,
        "label": "MaaS conformance",
        "message": "full: 3 passed",
        "color": "brightgreen",
    }
    assert (bad["message"], bad["color"]) == ("2 failed", "red")
