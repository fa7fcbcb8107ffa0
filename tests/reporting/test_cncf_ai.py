"""Evidence for another programme: what was proven, said as that and as no more."""

import tarfile
from pathlib import Path

import pytest
import yaml

from harness.outcome import UsageFault
from harness.reporting.cncf_ai import Aspect, programme, shown
from harness.reporting.cncf_evidence import export
from harness.reporting.cncf_pages import ARCHIVE, FOLDER
from harness.reporting.comparison import read_report
from harness.reporting.conformance import ConformanceReport
from harness.spec.catalogue import catalogue
from tests.reporting.submissions import Runs

FORBIDDEN = {"e2e.log", "results.json"}
"""Names that the programme's validator takes for the output of its own suite."""


@pytest.fixture
def report(good: Path) -> ConformanceReport:
    return read_report(good)


def _with(report: ConformanceReport, state: str, *rows: str) -> ConformanceReport:
    changed = tuple(row.model_copy(update={"state": state}) if row.id in rows else row for row in report.requirements)
    return report.model_copy(update={"requirements": changed})


def test_the_mapping_names_rows_of_the_catalogue_and_each_requirement_once() -> None:
    found = programme()
    rows = [row for requirement in found.requirements for aspect in requirement.aspects for row in aspect.rows]
    assert set(rows) <= catalogue().rows.keys()
    names = [requirement.id for requirement in found.requirements] + list(found.others)
    assert len(names) == len(set(names)) == 15
    assert {requirement.id for requirement in found.requirements} == {"ai_inference", "ai_service_metrics"}


def test_an_aspect_is_proven_by_all_of_its_rows_or_not_at_all(report: ConformanceReport) -> None:
    aspect = Aspect(what="x", rows=("MAAS-LIST-001", "MAAS-RATE-004"))
    assert shown(aspect, _with(report, "proven", *aspect.rows)).state == "proven"
    half = shown(aspect, report)
    assert (half.state, half.why) == ("not proven", "MAAS-RATE-004 not evaluated")
    assert shown(aspect, _with(report, "broken", "MAAS-RATE-004")).state == "broken"
    outside = shown(Aspect(what="x", rows=("MAAS-GW-014",)), report.model_copy(update={"requirements": ()}))
    assert (outside.state, outside.why) == ("not proven", "MAAS-GW-014 not part of the profile")


def test_what_the_suite_cannot_show_is_never_proven(report: ConformanceReport) -> None:
    assert shown(Aspect(what="x", rows=()), report).state == "not proven"


def test_a_row_that_is_called_proven_without_a_check_that_passed_proves_nothing(report: ConformanceReport) -> None:
    aspect = Aspect(what="x", rows=("MAAS-GW-004",))
    assert shown(aspect, _with(report, "proven", "MAAS-GW-004")).state == "not proven"


def test_a_run_that_shows_nothing_of_it_claims_nothing(report: ConformanceReport, good: Path, tmp_path: Path) -> None:
    export(good, report, tmp_path / "out")
    folder = tmp_path / "out" / FOLDER
    (inference, metrics) = yaml.safe_load((folder / "snippets.yaml").read_text(encoding="utf-8"))
    for entry in (inference, metrics):
        assert (entry["status"], entry["evidence"]) == ("", [])
        assert entry["notes"].startswith("This run is evidence for no aspect of it.")
    page = (folder / "ai_inference.md").read_text(encoding="utf-8")
    assert "shows 0 of 7 aspects" in page
    assert "judged the reference platform that comes with the suite, not a product" in page
    overview = (folder / "README.md").read_text(encoding="utf-8")
    assert overview.count("not proven by this suite") == 13


def test_what_was_proven_is_named_with_its_checks_and_the_rest_as_not_shown(
    report: ConformanceReport, good: Path, tmp_path: Path
) -> None:
    listed = next(check for check in report.checks if check.id.endswith("test_list"))
    proving = listed.model_copy(update={"requirements": ("MAAS-GW-004",)})
    told = _with(report, "proven", "MAAS-GW-004").model_copy(update={"checks": (proving,)})
    export(good, told, tmp_path / "out")
    folder = tmp_path / "out" / FOLDER
    inference = yaml.safe_load((folder / "snippets.yaml").read_text(encoding="utf-8"))[0]
    assert inference["status"] == ""
    assert f"{FOLDER}/junit.xml#test_list" in inference["evidence"]
    assert inference["notes"].startswith("Evidence for: requests reach the model that their path names")
    assert "Not shown by this run: requests are routed by the model that their body names" in inference["notes"]
    assert "[`test_list`](junit.xml#test_list) | 1 of 1 |" in (folder / "ai_inference.md").read_text(encoding="utf-8")


def test_no_page_claims_conformance_with_the_programme_or_a_status(
    report: ConformanceReport, good: Path, tmp_path: Path
) -> None:
    export(good, report, tmp_path / "out")
    for path in (tmp_path / "out" / FOLDER).glob("*.md"):
        text = path.read_text(encoding="utf-8").lower()
        for words in ("certified", "implemented", "kubernetes ai conformant", "is conformant with"):
            assert words not in text, (path.name, words)


def test_no_file_has_a_name_that_the_validator_reads_as_its_own(
    report: ConformanceReport, good: Path, tmp_path: Path
) -> None:
    written = export(good, report, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == [tmp_path / "out" / FOLDER]
    with tarfile.open(tmp_path / "out" / FOLDER / ARCHIVE) as archive:
        packed = {Path(name).name for name in archive.getnames()}
    assert not FORBIDDEN & ({path.name for path in written} | packed)


def test_the_archive_is_the_report_as_it_was_and_can_be_verified(
    runs: Runs, report: ConformanceReport, good: Path, tmp_path: Path
) -> None:
    export(good, report, tmp_path / "out")
    packed = tmp_path / "out" / FOLDER / ARCHIVE
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    assert runs.verify(tmp_path / "unpacked" / "report") == []
    export(good, report, tmp_path / "again")
    assert (tmp_path / "again" / FOLDER / ARCHIVE).read_bytes() == packed.read_bytes()


def test_nothing_is_overwritten(report: ConformanceReport, good: Path, tmp_path: Path) -> None:
    export(good, report, tmp_path)
    with pytest.raises(UsageFault, match="is not empty"):
        export(good, report, tmp_path)
