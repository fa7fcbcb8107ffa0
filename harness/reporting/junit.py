"""`junit.xml` (xunit2): what every CI system reads, and valid against the schema that Jenkins publishes for it.

A case's `name` and `classname` never change, so that a link to it holds. That schema has no properties of a case: its requirements, level,
file and line are lines `[[PROPERTY|name=value]]` of its output, as test management tools read them. The fault decides the element:
`failure` for the platform's, `error` for others'; a check that did not run is `skipped`, with a code as its `type`, and so is a failure
that was declared beforehand. Earlier attempts are `flakyFailure` where a later one passed, else `rerunFailure`.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final
from xml.etree import ElementTree as ET

from harness.engine.events import CheckFinished, Failure
from harness.engine.record import CheckRecord, RunRecord
from harness.reporting.document import Document
from harness.reporting.outline import failure_lines
from harness.spec.catalogue import catalogue
from harness.spec.requirement import Requirement

_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_RANK: Final = ("must", "should", "may", "observe")


class JUnitWriter(Document):
    """Writes the file at the end of a run."""

    name = "junit.xml"

    def content(self, record: RunRecord) -> bytes:
        """One suite with every planned check."""
        suites = ET.Element("testsuites", name="maas-conformance")
        cases = [_case(check) for check in record.checks.values()]
        suites.append(_suite(record, cases))
        ET.indent(suites)
        body: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
        return body + b"\n"


def _suite(record: RunRecord, cases: list[ET.Element]) -> ET.Element:
    start, end = record.started, record.finished
    suite = ET.Element(
        "testsuite",
        name="maas-conformance",
        tests=str(len(cases)),
        failures=_count(cases, "failure"),
        errors=_count(cases, "error"),
        skipped=_count(cases, "skipped"),
        time=f"{end.duration_s if end else 0.0:.3f}",
        timestamp=datetime.fromtimestamp(start.at if start else 0, UTC).isoformat(timespec="seconds"),
    )
    facts = {"verdict": end.reason if end else "the run was interrupted"}
    if start:
        facts |= {
            "run": start.run_id,
            "suite": start.suite_version,
            "target": start.target,
            "stack": start.stack,
            "profile": start.profile,
            **{f"version.{name}": value for name, value in start.versions.items()},
        }
    suite.append(_properties(facts.items()))
    suite.extend(cases)
    return suite


def _case(check: CheckRecord) -> ET.Element:
    planned = check.planned
    file, _, name = planned.check_id.partition("::")
    case = ET.Element(
        "testcase",
        classname=file.removesuffix(".py").replace("/", "."),
        name=_clean(name.replace("::", ".")),
        time=f"{check.duration_s:.3f}",
    )
    rows = [catalogue().get(name) for name in planned.requirements]
    facts = [("requirement", row.id) for row in rows]
    facts += [("level", level_of(rows)), ("area", rows[0].area), ("file", planned.file), ("line", str(planned.line))]
    facts += [(f"characteristic.{fact.name}", f"{fact.value:g} {fact.unit}") for fact in check.characteristics]
    if check.outcome == "passed_on_retry":
        facts.append(("passed_on_retry", str(len(check.attempts))))
    facts += [("blame", final.failure.blame)] if (final := check.final) and final.failure else []
    if check.known:
        facts += [("known_failure.issue", check.known.issue), ("known_failure.expires", check.known.expires)]
    case.extend(_verdict(check))
    output = ET.SubElement(case, "system-out")
    output.text = _clean("\n".join(f"[[PROPERTY|{name}={_one_line(value)}]]" for name, value in facts))
    return case


def _verdict(check: CheckRecord) -> Iterable[ET.Element]:
    final = check.final
    if final is None:
        yield ET.Element("error", type="unfinished", message="the run ended before this check came to a verdict")
    elif check.known and final.failure:
        until = f"known failure, {check.known.issue}, until {check.known.expires}"
        yield ET.Element("skipped", type="known_failure", message=_clean(f"{until}: {_message(final.failure)}"))
    elif final.outcome == "failed":
        yield _failed(check, final)
    elif final.outcome in {"not_runnable", "skipped"}:
        word = "not runnable: " if final.outcome == "not_runnable" else ""
        yield ET.Element("skipped", type=final.outcome, message=_clean(word + (final.reason or "")))
    tag = "flakyFailure" if check.outcome == "passed_on_retry" else "rerunFailure"
    for earlier in check.attempts[:-1]:
        if earlier.failure:
            again = ET.Element(tag, type=earlier.failure.blame, message=_clean(_message(earlier.failure)))
            again.text = f"attempt {earlier.attempt}"
            yield again


def _failed(check: CheckRecord, final: CheckFinished) -> ET.Element:
    failure = final.failure
    if failure is None:
        return ET.Element("error", type="harness", message="failed without a recorded failure")
    element = ET.Element(
        "failure" if failure.blame == "platform" else "error", type=failure.blame, message=_clean(_message(failure))
    )
    traces = [taken.traceback for taken in check.diagnostics if taken.attempt == final.attempt]
    element.text = _clean("\n".join([*failure_lines(check), *traces]))
    return element


def level_of(rows: Iterable[Requirement]) -> str:
    """The strictest level among them."""
    return min((row.level for row in rows), key=_RANK.index)


def _message(failure: Failure) -> str:
    return f"{failure.requirement}: expected {failure.expected}; observed {failure.observed}"


def _properties(facts: Iterable[tuple[str, str]]) -> ET.Element:
    element = ET.Element("properties")
    for name, value in facts:
        ET.SubElement(element, "property", name=_clean(name), value=_clean(value))
    return element


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _count(cases: list[ET.Element], tag: str) -> str:
    return str(sum(case.find(tag) is not None for case in cases))


def _clean(text: str) -> str:
    """Without the control characters that XML cannot carry: a gateway's answer may hold any."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
