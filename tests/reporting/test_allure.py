"""Results as Allure's own model has them."""

import json
from pathlib import Path
from typing import Any

import attr
import pytest
from allure_commons import model2
from allure_commons.types import LabelType, LinkType, Severity

from harness.engine.record import RunRecord
from harness.reporting.allure import AllureWriter


@pytest.fixture
def folder(record: RunRecord, out: Path) -> Path:
    AllureWriter(out).finish(record)
    return out / "allure-results"


def _results(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in folder.glob("*-result.json")]


def _of(folder: Path, name: str) -> list[dict[str, Any]]:
    return sorted((found for found in _results(folder) if found["name"] == name), key=lambda found: found["start"])


def test_every_field_is_one_of_allures_model(folder: Path) -> None:
    parts = {
        "statusDetails": model2.StatusDetails,
        "labels": model2.Label,
        "links": model2.Link,
        "attachments": model2.Attachment,
    }
    known = {field.name for field in attr.fields(model2.TestResult)}
    for result in _results(folder):
        assert set(result) <= known
        for name, kind in {**parts, "parameters": model2.Parameter}.items():
            values = result[name] if isinstance(result[name], list) else [result[name]]
            for value in values:
                kind(**value)


@pytest.mark.parametrize(
    ("name", "status"),
    [("passes", "passed"), ("fails", "failed"), ("broken", "broken"), ("cannot", "skipped"), ("unfinished", "unknown")],
)
def test_the_status_follows_outcome_and_blame(folder: Path, name: str, status: str) -> None:
    assert [result["status"] for result in _of(folder, name)] == [status]


def test_attempts_are_retries_of_one_history(folder: Path) -> None:
    first, second = _of(folder, "again")
    assert (first["status"], second["status"]) == ("failed", "passed")
    assert first["historyId"] == second["historyId"]
    assert first["uuid"] != second["uuid"]
    assert second["statusDetails"]["flaky"] is True


def test_the_history_is_stable_across_runs_and_differs_between_checks(
    folder: Path, record: RunRecord, tmp_path: Path
) -> None:
    again = tmp_path / "second"
    again.mkdir()
    AllureWriter(again).finish(record)
    histories = {result["fullName"]: result["historyId"] for result in _results(folder)}
    assert histories == {result["fullName"]: result["historyId"] for result in _results(again / "allure-results")}
    assert len(set(histories.values())) == 7


def test_labels_and_links_lead_to_the_requirement(folder: Path) -> None:
    (result,) = _of(folder, "fails")
    labels = {(label["name"], label["value"]) for label in result["labels"]}
    assert (LabelType.EPIC, "token-rate-limits") in labels
    assert (LabelType.SEVERITY, Severity.CRITICAL) in labels
    assert any(name == LabelType.FEATURE and value.startswith("MAAS-RATE-002 ") for name, value in labels)
    assert [(link["type"], link["name"]) for link in result["links"]] == [
        (LinkType.TEST_CASE, "MAAS-RATE-001"),
        (LinkType.TEST_CASE, "MAAS-RATE-002"),
    ]


def test_the_evidence_of_a_failure_is_attached(folder: Path) -> None:
    (result,) = _of(folder, "fails")
    texts = {
        attached["name"]: (folder / attached["source"]).read_text(encoding="utf-8")
        for attached in result["attachments"]
    }
    assert set(texts) == {
        "repeat with curl",
        "POST 200",
        "conditions and events of objects",
        "books of tokens",
        "log of limiter",
    }
    assert texts["log of limiter"] == "no usage\n"
    assert "Enforced=False" in texts["conditions and events of objects"]
    assert "Authorization: Bearer <secret>" in texts["POST 200"]


def test_a_category_exists_for_each_kind_of_fault(folder: Path) -> None:
    categories = json.loads((folder / "categories.json").read_bytes())
    assert {"Not conformant", "Fault of the harness", "Not runnable here"} <= {found["name"] for found in categories}
    assert "version.envoy=1.40.0\n" in (folder / "environment.properties").read_text(encoding="utf-8")


def test_an_earlier_runs_results_go_and_files_of_others_stay(record: RunRecord, folder: Path, out: Path) -> None:
    (folder / "old-result.json").write_text("{}", encoding="utf-8")
    (folder / "notes.md").write_text("mine", encoding="utf-8")
    AllureWriter(out).finish(record)
    assert not (folder / "old-result.json").exists()
    assert (folder / "notes.md").exists()
    assert len(_results(folder)) == 8
