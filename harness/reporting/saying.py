"""What a folder of a run says, without its provenance (which run, when, by what, where) and without what a clock or a counter measured.

Two runs of one configuration say the same, on whatever machines. Left out or made alike are only the fields and forms named here; the
evidence of a failure (tracebacks, exchanges, logs) stays where it is, and of a failure the words are compared.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import orjson

from harness.outcome import UsageFault
from harness.reporting.allure import FOLDER
from harness.reporting.certificate import NAME
from harness.reporting.quick_yaml import load_yaml

RUN: Final = ("id", "startedAt", "finishedAt", "durationSeconds", "startupSeconds", "arguments")
"""Of `run`, what may differ. Not the seed: it decides the order of the checks."""
SUMMARY: Final = ("run_id", "duration_s", "checks_s", "startup_s")
INTERPRETER: Final = "python"
"""The version that belongs to the machine: every other one is the platform's."""
ALLURE: Final = ("uuid", "start", "stop", "attachments")
CHOSEN: Final = (
    (re.compile(r"\bmaas-conformance-[0-9a-f]{12}(-gw\d+|-main)?(-\d+)?"), "maas-conformance-…"),
    (re.compile(r"\bmc-[0-9a-f]{8}"), "mc-…"),
    (re.compile(r"\b(127\.0\.0\.1|localhost|\[::1\]):\d+"), r"\1:…"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "…"),
    (re.compile(r"\b\d+\.\d+(?= m?s\b)"), "…"),
)
"""In words: names and ports that every run chooses anew, request ids, and measured times. Bounds are whole numbers, and stay."""
Document = dict[str, Any]


def words(text: str) -> str:
    """A text without what was chosen at random or measured."""
    for pattern, instead in CHOSEN:
        text = pattern.sub(instead, text)
    return text


def said(folder: Path) -> Document:
    """File → what it says, lists of checks and requirements by their ids. Raises UsageFault where a file is missing or cannot be read."""
    files: dict[str, Callable[[Path], Any]] = {
        NAME: _report,
        "summary.json": _summary,
        "badge.json": lambda path: orjson.loads(path.read_bytes()),
        "junit.xml": _junit,
        FOLDER: _allure,
    }
    return {name: _read(folder / name, reader) for name, reader in files.items()}


def _read(path: Path, reader: Callable[[Path], Any]) -> Any:
    try:
        return _worded(reader(path))
    except OSError as error:
        raise UsageFault(f"expected the folder of a run: cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, ET.ParseError) as error:
        raise UsageFault(f"{path} is not what a run writes: {' '.join(str(error).split())[:200]}") from error


def _worded(value: Any) -> Any:
    if isinstance(value, str):
        return words(value)
    if isinstance(value, Mapping):
        return {words(str(name)): _worded(entry) for name, entry in value.items()}
    return [_worded(entry) for entry in value] if isinstance(value, list | tuple) else value


def _report(path: Path) -> Document:
    report: Document = load_yaml(path.read_bytes())
    report["run"] = _without(report["run"], RUN)
    report["platform"]["versions"] = _without(report["platform"]["versions"], (INTERPRETER,))
    report["evidence"] = sorted(report["evidence"])
    report["requirements"] = {row["id"]: row for row in report["requirements"]}
    report["order of checks"] = [check["id"] for check in report["checks"]]
    report["checks"] = {check["id"]: _without(check, ("durationSeconds",)) for check in report["checks"]}
    report["characteristics"] = _measured(report["characteristics"])
    return _without(report, ("validUntil",))


def _summary(path: Path) -> Document:
    summary: Document = orjson.loads(path.read_bytes())
    return {**_without(summary, SUMMARY), "characteristics": _measured(summary["characteristics"])}


def _measured(facts: Iterable[Mapping[str, Any]]) -> Document:
    """The units of what was measured: a check measures the same everywhere, and not the same values."""
    return {f"{fact['check']} {fact['name']}": fact["unit"] for fact in facts}


def _without(document: Mapping[str, Any], names: Iterable[str]) -> Document:
    return {name: value for name, value in document.items() if name not in names}


def _junit(path: Path) -> Document:
    root = ET.parse(path).getroot()  # noqa: S314 - a file of one's own run, or of one that `verify` has seen
    suite = root.find("testsuite")
    if suite is None:
        raise ValueError("expected a testsuite, found none")
    facts = {entry.get("name", ""): entry.get("value") for entry in suite.iterfind("properties/property")}
    return {
        "testsuite": _without(suite.attrib, ("time", "timestamp")),
        "properties": _without(facts, ("run", f"version.{INTERPRETER}")),
        "testcases": {f"{case.get('classname')}::{case.get('name')}": _case(case) for case in suite.iter("testcase")},
    }


def _case(case: ET.Element) -> Document:
    told = [line.partition("=") for line in (case.findtext("system-out") or "").splitlines()]
    return {
        "verdict": [f"{child.tag} {child.get('type')}: {child.get('message')}" for child in case if child.attrib],
        "properties": [name if "|characteristic." in name else f"{name}={value}" for name, _, value in told],
    }


def _allure(folder: Path) -> Document:
    found = sorted(
        (orjson.loads(file.read_bytes()) for file in folder.glob("*-result.json")), key=lambda one: one["start"]
    )
    results: dict[str, list[Document]] = {}
    for result in found:
        results.setdefault(result["fullName"], []).append(_result(result))
    facts = dict(
        line.partition("=")[::2] for line in (folder / "environment.properties").read_text("utf-8").splitlines()
    )
    return {
        "environment": _without(facts, ("run", f"version.{INTERPRETER}")),
        "categories": orjson.loads((folder / "categories.json").read_bytes()),
        "results": results,
    }


def _result(result: Document) -> Document:
    return {
        **_without(result, ALLURE),
        "labels": [label for label in result["labels"] if label["name"] != "thread"],
        "statusDetails": _without(result["statusDetails"], ("trace",)),
        "parameters": [entry["name"] for entry in result["parameters"]],
    }
