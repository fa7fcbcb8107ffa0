"""What a CI system reads."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness.engine.record import RunRecord
from harness.reporting.junit import JUnitWriter


@pytest.fixture
def suite(record: RunRecord, out: Path) -> ET.Element:
    JUnitWriter(out).finish(record)
    found = ET.parse(out / "junit.xml").getroot().find("testsuite")
    assert found is not None
    return found


def _case(suite: ET.Element, name: str) -> ET.Element:
    (found,) = suite.findall(f"testcase[@name='{name}']")
    return found


def _properties(element: ET.Element) -> dict[str, str]:
    return {found.attrib["name"]: found.attrib["value"] for found in element.findall("properties/property")}


def test_the_counts_are_those_of_the_cases(suite: ET.Element) -> None:
    assert {name: suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "7",
        "failures": "1",
        "errors": "2",  # a fault of the harness, and a check without a verdict
        "skipped": "2",
    }


def test_a_platforms_fault_is_a_failure_with_its_words(suite: ET.Element) -> None:
    failure = _case(suite, "fails").find("failure")
    assert failure is not None
    assert failure.attrib == {"type": "platform", "message": "MAAS-RATE-001: expected 429; observed 200"}
    assert "repeat   curl" in (failure.text or "")
    assert "Traceback of fails" in (failure.text or "")
    assert "<tag> & \N{REPLACEMENT CHARACTER}" in (failure.text or "")


@pytest.mark.parametrize(
    ("name", "tag", "code"),
    [
        ("broken", "error", "harness"),
        ("unfinished", "error", "unfinished"),
        ("cannot", "skipped", "not_runnable"),
        ("skips", "skipped", "skipped"),
    ],
)
def test_each_class_has_a_code_of_its_own(suite: ET.Element, name: str, tag: str, code: str) -> None:
    found = _case(suite, name).find(tag)
    assert found is not None
    assert found.attrib["type"] == code


def test_the_reason_of_a_check_that_cannot_run_is_told(suite: ET.Element) -> None:
    skipped = _case(suite, "cannot").find("skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == "not runnable: needs clock: time is real here"


def test_properties_trace_a_case_to_its_requirements(suite: ET.Element) -> None:
    properties = [
        (found.attrib["name"], found.attrib["value"]) for found in _case(suite, "fails").findall("properties/property")
    ]
    assert properties == [
        ("requirement", "MAAS-RATE-001"),
        ("requirement", "MAAS-RATE-002"),
        ("level", "must"),
        ("area", "token-rate-limits"),
        ("file", "scenarios/quota/test_limits.py"),
        ("line", "7"),
    ]
    assert _properties(_case(suite, "passes"))["characteristic.overshoot"] == "12 tokens"
    assert _properties(suite)["version.envoy"] == "1.40.0"


def test_a_check_that_passed_on_retry_shows_both(suite: ET.Element) -> None:
    case = _case(suite, "again")
    assert case.find("failure") is None
    assert _properties(case)["passed_on_retry"] == "2"
    assert "attempt 1 failed" in (case.findtext("system-out") or "")
