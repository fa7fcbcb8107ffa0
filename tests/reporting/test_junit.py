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


def _facts(case: ET.Element) -> list[tuple[str, str]]:
    """The properties in a case's output."""
    lines = (case.findtext("system-out") or "").splitlines()
    return [tuple(line.removeprefix("[[PROPERTY|").removesuffix("]]").split("=", 1)) for line in lines]  # type: ignore[misc]


def test_properties_trace_a_case_to_its_requirements(suite: ET.Element) -> None:
    assert _facts(_case(suite, "fails")) == [
        ("requirement", "MAAS-RATE-001"),
        ("requirement", "MAAS-RATE-002"),
        ("level", "must"),
        ("area", "token-rate-limits"),
        ("file", "scenarios/quota/test_limits.py"),
        ("line", "7"),
        ("blame", "platform"),
    ]
    assert ("characteristic.overshoot", "12 tokens") in _facts(_case(suite, "passes"))
    assert _properties(suite)["version.envoy"] == "1.40.0"


def test_a_check_that_passed_on_retry_shows_both(suite: ET.Element) -> None:
    case = _case(suite, "again")
    assert case.find("failure") is None
    flaky = case.find("flakyFailure")
    assert flaky is not None
    assert (flaky.attrib["type"], flaky.text) == ("platform", "attempt 1")
    assert ("passed_on_retry", "2") in _facts(case)


ALLOWED: dict[str, tuple[set[str], set[str]]] = {
    "testsuites": ({"testsuite"}, {"name", "time", "tests", "failures", "errors"}),
    "testsuite": (
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
        {"name", "tests", "failures", "errors", "time", "skipped", "timestamp", "hostname", "id", "package", "file"},
    ),
    "testcase": (
        {
            "skipped",
            "error",
            "failure",
            "rerunFailure",
            "rerunError",
            "flakyFailure",
            "flakyError",
            "system-out",
            "system-err",
        },
        {"name", "time", "classname", "group"},
    ),
    "properties": ({"property"}, set()),
    "property": (set(), {"name", "value"}),
    **{name: (set(), {"type", "message"}) for name in ("skipped", "error", "failure", "rerunFailure", "flakyFailure")},
    "system-out": (set(), set()),
}
"""Children and attributes of each element, as the schema of Jenkins' xUnit plugin (junit-10) allows them."""


def test_every_element_is_one_that_the_common_schema_allows_there(record: RunRecord, out: Path) -> None:
    JUnitWriter(out).finish(record)
    root = ET.parse(out / "junit.xml").getroot()
    seen = set()
    for element in root.iter():
        children, attributes = ALLOWED[element.tag]
        assert {child.tag for child in element} <= children, element.tag
        assert set(element.attrib) <= attributes, element.tag
        seen.add(element.tag)
    assert {"testcase", "property", "skipped", "failure", "error", "flakyFailure", "system-out"} <= seen
    for name in ("tests", "failures", "errors", "name"):
        assert name in root[0].attrib
