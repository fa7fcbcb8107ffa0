"""Two reports side by side, and the verdict as a badge."""

import json
from pathlib import Path

import msgspec
import pytest

from harness.cli.command import run as maas
from harness.engine.events import AnyEvent, CharacteristicMeasured, CheckFinished, RunFinished, RunStarted
from harness.outcome import ExitCode, UsageFault
from harness.reporting.comparison import changes, read_report
from harness.reporting.comparison_page import Side, comparison_page
from harness.reporting.quick_yaml import dump_yaml, load_yaml
from harness.reporting.regenerate import regenerate
from harness.spec.catalogue import catalogue
from tests.reporting.made_up_run import events

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
    assert [line.split()[0] for line in lines[:-1]] == ["worse"] * 4 + ["other"] * 2
    assert lines[-1] == "4 worse, 2 other"
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


def _reworded(folder: Path) -> Path:
    """The same run, judged by a later specification: one promise is new, one gone, one stricter, one in other words."""
    path = folder / "report.yaml"
    report = load_yaml(path.read_bytes())
    rows = {row["id"]: row for row in report["requirements"]}
    report["requirements"].remove(rows["MAAS-LIST-009"])
    report["requirements"].append({**rows["MAAS-LIST-009"], "id": "MAAS-LIST-999", "promise": "something new"})
    rows["MAAS-LIST-005"]["level"] = "must"
    rows["MAAS-LIST-001"]["promise"] = "in other words"
    path.write_bytes(dump_yaml(report))
    return folder


def test_two_versions_of_the_specification_differ_in_what_they_ask(before: Path) -> None:
    first = read_report(before)
    found = changes(first, read_report(_reworded(before)))
    assert {change.about: (change.name, change.direction) for change in found} == {
        "specification added": ("MAAS-LIST-999", "other"),
        "specification removed": ("MAAS-LIST-009", "other"),
        "level": ("MAAS-LIST-005", "other"),
        "wording": ("MAAS-LIST-001", "other"),
    }


CATALOGUE = """
area: a
requirements:
- {id: MAAS-A-001, level: must, scope: neutral, requirement: first, evidence: [docs]}
"""


def test_specifications_are_compared_without_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (("old", CATALOGUE), ("new", CATALOGUE.replace("must", "should")), ("wrong", "x: 1")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").write_text(text, encoding="utf-8")
    assert maas(["diff", str(tmp_path / "old"), str(tmp_path / "new")]) == ExitCode.CONFORMANT
    assert capsys.readouterr().out == "other  level MAAS-A-001: must → should\n1 other\n"
    assert maas(["diff", str(tmp_path / "old"), "installed", "--json"]) == ExitCode.CONFORMANT
    found = json.loads(capsys.readouterr().out)
    assert len(found) == len(catalogue()) + 1
    assert maas(["diff", str(tmp_path / "old"), str(tmp_path / "wrong")]) == ExitCode.USAGE
    assert "holds neither a report nor a specification" in capsys.readouterr().err


def test_a_specification_and_a_report_are_not_of_a_kind(
    before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert maas(["diff", str(before), "installed"]) == ExitCode.USAGE
    assert "one is a specification, the other a report" in capsys.readouterr().err


def test_the_page_shows_every_change_and_needs_no_network(before: Path, after: Path, tmp_path: Path) -> None:
    page = tmp_path / "diff.html"
    assert maas(["diff", str(after), str(before), "--html", str(page)]) == ExitCode.NOT_CONFORMANT
    text = page.read_text(encoding="utf-8")
    assert "<h1>Something became worse</h1>" in text
    assert text.count('data-state="worse"') == 4
    assert text.count('data-state="other"') == 2
    assert "default-src 'none'" in text
    assert "http://" not in text
    assert "https://" not in text
    assert maas(["diff", str(before), str(after), "--html", "/dev/null/x"]) == ExitCode.ENVIRONMENT


def test_a_page_of_what_a_vendor_wrote_is_text_and_never_markup(before: Path, after: Path) -> None:
    path = after / "report.yaml"
    report = load_yaml(path.read_bytes())
    report["implementation"]["project"] = "<script>alert(1)</script>"
    path.write_bytes(dump_yaml(report))
    sides = [Side.of_report(folder, read_report(folder)) for folder in (before, after)]
    assert "<script>alert" not in comparison_page(sides, changes(read_report(before), read_report(after)))


def test_the_badge_says_no_more_than_was_judged(before: Path, after: Path) -> None:
    good, bad = (json.loads((folder / "badge.json").read_bytes()) for folder in (after, before))
    assert good == {
        "schemaVersion": 1,
        "label": "MaaS conformance",
        "message": "full: 3 passed",
        "color": "brightgreen",
    }
    assert (bad["message"], bad["color"]) == ("2 failed", "red")
