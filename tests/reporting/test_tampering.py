"""Tampering by somebody who knows the program: everything follows from the journal again, and only what no run writes gives it away."""

import base64
import itertools
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from harness.engine.events import (
    AnyEvent,
    CharacteristicMeasured,
    CheckFinished,
    CheckPlanned,
    CheckStarted,
    DiagnosticsTaken,
    KnownFailureDeclared,
    RunFinished,
    RunStarted,
    SuiteCollected,
    encode,
)
from harness.engine.journal import read_journal
from harness.reporting.certificate import digests
from harness.reporting.comparison import read_report
from harness.reporting.quick_yaml import dump_yaml, load_yaml
from harness.reporting.regenerate import regenerate
from harness.reporting.signature import PAYLOAD_TYPE, SIGNATURES, pre_authentication, sign
from harness.reporting.signing_key import make_keys, read_private
from harness.spec.catalogue import catalogue
from tests.reporting.submissions import Runs

Forgery = Callable[[list[AnyEvent]], list[AnyEvent]]


def _told(runs: Runs, folder: Path) -> str:
    """The first objection, which is one line."""
    objections = runs.verify(folder)
    assert objections, "accepted"
    line = str(objections[0])
    assert "\n" not in line
    return line


def _written(folder: Path, events: list[AnyEvent]) -> None:
    (folder / "journal.ndjson").write_bytes(b"".join(map(encode, events)))


def _readmit(folder: Path) -> None:
    document = load_yaml((folder / "report.yaml").read_bytes())
    document["evidence"] = digests(folder)
    (folder / "report.yaml").write_bytes(dump_yaml(document))


def _replaced(kind: type, name: str = "", **changes: object) -> Forgery:
    def change(events: list[AnyEvent]) -> list[AnyEvent]:
        return [
            msgspec.structs.replace(event, **changes)
            if isinstance(event, kind) and getattr(event, "check_id", "").endswith(name)
            else event
            for event in events
        ]

    return change


def _shifted(events: list[AnyEvent]) -> list[AnyEvent]:
    return [msgspec.structs.replace(event, at=event.at + 3 * 365 * 86400.0) for event in events]


def _second_verdict(events: list[AnyEvent]) -> list[AnyEvent]:
    """The last failed attempt is followed by a verdict that it passed."""
    forged: list[AnyEvent] = []
    for event in events:
        if isinstance(event, DiagnosticsTaken) and event.attempt == 2:
            continue
        forged.append(event)
        if isinstance(event, CheckFinished) and event.check_id.endswith("doubtful") and event.attempt == 2:
            forged.append(msgspec.structs.replace(event, outcome="passed", failure=None))
    return _replaced(RunFinished, exit_code=0, reason="conformant in all that was judged")(forged)


def _tried_again_after_passing(events: list[AnyEvent]) -> list[AnyEvent]:
    return _replaced(CheckFinished, "late", outcome="passed", failure=None)(
        [event for event in events if not isinstance(event, DiagnosticsTaken)]
    )


def _without_first_attempt(events: list[AnyEvent]) -> list[AnyEvent]:
    attempt = CheckStarted | CheckFinished | DiagnosticsTaken
    return [
        event
        for event in events
        if not (isinstance(event, attempt) and event.check_id.endswith("late") and event.attempt == 1)
    ]


def _about(requirement: str, **words: str) -> Forgery:
    def change(events: list[AnyEvent]) -> list[AnyEvent]:
        return [
            msgspec.structs.replace(
                event, failure=msgspec.structs.replace(event.failure, requirement=requirement, **words)
            )
            if isinstance(event, CheckFinished) and event.failure
            else event
            for event in events
        ]

    return change


def _harmless(events: list[AnyEvent]) -> list[AnyEvent]:
    """Every failure said to be one of a row that judges nobody, in the words of that row."""
    row = catalogue().get("MAAS-RATE-025")
    assert not row.decides
    reason = f"conformant in all that was judged; one weakness was seen in what judges nobody: {row.id}"
    forged = _about(row.id, requirement_text=row.requirement)(events)
    return _replaced(RunFinished, exit_code=0, reason=reason)(forged)


def _after_the_end(events: list[AnyEvent]) -> list[AnyEvent]:
    moved = _replaced(RunFinished, at=events[0].at)(events)
    return sorted(moved, key=lambda event: event.at)


def _invented_fact(events: list[AnyEvent]) -> list[AnyEvent]:
    end = events[-1]
    fact = CharacteristicMeasured(at=end.at, check_id="scenarios/x.py::test_x", name="lag", value=0.0, unit="s")
    return [*events[:-1], fact, end]


def _twice(kind: type) -> Forgery:
    return lambda events: [
        copy for event in events for copy in ([event, event] if isinstance(event, kind) else [event])
    ]


def _known_for_ever(events: list[AnyEvent]) -> list[AnyEvent]:
    start = next(event for event in events if isinstance(event, RunStarted))
    entry = KnownFailureDeclared(at=start.at, subject="test_doubtful", issue="javascript:alert(1)", expires="never")
    forged: list[AnyEvent] = [copy for event in events for copy in ((event, entry) if event is start else (event,))]
    return _replaced(RunFinished, exit_code=0, reason="conformant except one known failure; not a certificate")(forged)


FORGERIES: dict[str, tuple[str, Forgery, str]] = {
    "a run of next year, so that it holds for longer": ("good", _shifted, "V013: expected a run that is over"),
    "a second verdict of an attempt": ("bad", _second_verdict, "V005: expected attempt 3 of"),
    "an attempt after one that passed": ("good", _tried_again_after_passing, "V005: expected no further attempt of"),
    "a first attempt hidden": ("good", _without_first_attempt, "V005: expected attempt 1 of"),
    "a failure of what judges nobody": ("bad", _harmless, "V005: expected a failure of what"),
    "a failure of a softer promise": ("bad", _about("MAAS-AUTH-001", requirement_text="may"), "V005: expected the promise"),
    "a failure of a row that is none": ("bad", _about("MAAS-XX-1"), "V005: expected failures of requirements of this"),
    "a check that proves more": (
        "good", _replaced(CheckPlanned, "list", requirements=("MAAS-RATE-002",)), "V009: expected requirements of"
    ),
    "a canary that is none": ("good", _replaced(CheckPlanned, "canary", canary=False), "V009: expected canary of"),
    "a check of another name": ("good", _replaced(CheckPlanned, "list", title="all is well"), "V009: expected title of"),
    "a check that needs more": ("good", _replaced(CheckPlanned, "list", needs=("clock",)), "V009: expected needs of"),
    "a verdict of what cannot run": (
        "good", _replaced(CheckPlanned, "list", not_runnable="needs clock"), "V005: expected no verdict of"
    ),
    "another version of the suite": ("good", _replaced(RunStarted, suite_version="9.9.9"), "V003: expected the version"),
    "checks after the end": ("good", _after_the_end, "V005: expected no check after the end of the run"),
    "a run that took less than nothing": ("good", _replaced(RunFinished, duration_s=-9.0), "V005: expected a run no shorter"),
    "an exit code of its own": ("good", _replaced(RunFinished, exit_code=77), "V005: expected an exit code"),
    "a verdict in finer words": ("good", _replaced(RunFinished, reason="certified by all"), "V006: expected the verdict"),
    "a fact of no check": ("good", _invented_fact, "V005: expected lines about planned checks alone"),
    "two suites": ("good", _twice(SuiteCollected), "V005: expected one SuiteCollected; found 2"),
    "a check planned twice": ("good", _twice(CheckPlanned), "V005: expected one plan of each check"),
    "a check left out that was judged": ("good", _replaced(SuiteCollected, deselected=("x",)), "V005: expected every check"),
    "times beyond any calendar": ("good", _replaced(RunFinished, at=1e15), "V005: expected times of this age"),
    "a failure that is known for ever": ("bad", _known_for_ever, "V007: expected a journal from which the report follows"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_a_journal_that_no_run_writes_is_refused(runs: Runs, tmp_path: Path, name: str) -> None:
    kind, forge, told = FORGERIES[name]
    folder = Path(shutil.copytree(runs.folder / kind, tmp_path / kind))
    events = forge(read_journal(folder))
    _written(folder, events)
    try:
        regenerate(events, folder)
    except (ValueError, KeyError):
        _readmit(folder)  # the program makes no report of it: somebody wrote the digests by hand
    assert _told(runs, folder).startswith(told)


LINES: dict[str, tuple[bytes, bytes]] = {
    "an outcome said twice": (b'"outcome":"passed"', b'"outcome":"failed","outcome":"passed"'),
    "spaces between": (b'"outcome":"passed"', b'"outcome": "passed"'),
    "letters written as numbers": (b'"outcome":"passed"', b'"outcome":"p\\u0061ssed"'),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_in_another_form_is_refused(runs: Runs, good: Path, name: str) -> None:
    before, after = LINES[name]
    path = good / "journal.ndjson"
    path.write_bytes(path.read_bytes().replace(before, after, 1))
    _readmit(good)
    assert re.match(r"V005: expected lines as a run writes them; found another form in line \d+\.", _told(runs, good))


TEXTS: dict[str, tuple[bytes, bytes, str]] = {
    "a result said twice": (b"\nresult:", b"\nresult:\n  passed: 9999\nresult:", "result a second time in line"),
    "a field said twice": (b"\nprofile:", b"\nprofile: certified\nprofile:", "profile a second time in line"),
    "an anchor": (b"\nsuite:", b"\nsuite: &suite", "an anchor, an alias or a tag in line"),
    "a tag": (b"kind: C", b"kind: !!str C", "an anchor, an alias or a tag in line 2"),
    "a list as a key": (b"\nsuite:", b"\n? [a]\n: b\nsuite:", "a key that is no text in line"),
    "levels without end": (
        b"\nsuite:",
        b"\nx: " + b"[" * 5000 + b"]" * 5000 + b"\nsuite:",
        "more than 32 levels in line",
    ),
    "a number that no JSON has": (b"exitCode: 0", b"exitCode: " + b"9" * 30, "expected values that JSON has, too"),
    "a key that is a number": (b"\nsuite:", b"\n1: x\nsuite:", "expected values that JSON has, too"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_document_that_is_read_in_two_ways_is_refused(runs: Runs, good: Path, name: str) -> None:
    before, after, told = TEXTS[name]
    path = good / "report.yaml"
    assert path.read_bytes().count(before) >= 1
    path.write_bytes(path.read_bytes().replace(before, after, 1))
    line = _told(runs, good)
    assert line.startswith("V001: ")
    assert told in line


def test_aliases_that_grow_without_bound_cost_nothing(runs: Runs, good: Path) -> None:
    letters = "abcdefghij"
    lines = [f"{two}: &{two} [{', '.join([f'*{one}'] * 9)}]" for one, two in itertools.pairwise(letters)]
    with (good / "report.yaml").open("a", encoding="utf-8") as file:
        file.write("\n".join(["a: &a [x, x]", *lines]) + "\n")
    assert "an anchor, an alias or a tag" in _told(runs, good)


def _linked(path: Path) -> None:
    elsewhere = path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(elsewhere)


def _piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("name", ["report.yaml", "journal.ndjson", "junit.xml", "allure-results"])
@pytest.mark.parametrize("swap", [_linked, _piped])
def test_what_is_no_file_of_the_folder_is_refused(
    runs: Runs, good: Path, name: str, swap: Callable[[Path], None]
) -> None:
    path = good / name
    if path.is_dir():
        path = next(path.glob("*-result.json"))
    swap(path)
    assert _told(runs, good).startswith(f"V004: expected {path.relative_to(good)} as a file")


def _sealed(folder: Path, key_file: Path, change: dict[str, Any]) -> None:
    """A signature by the right key, over the right files, that says something else of them."""
    path = folder / SIGNATURES
    envelope = orjson.loads(path.read_bytes())
    statement = orjson.loads(base64.b64decode(envelope["payload"]))
    statement["predicate"].update(change)
    payload = orjson.dumps(statement)
    sealed = read_private(key_file, None).sign(pre_authentication(payload))
    envelope |= {"payload": base64.b64encode(payload).decode(), "payloadType": PAYLOAD_TYPE}
    envelope["signatures"][0]["sig"] = base64.b64encode(sealed).decode()
    path.write_bytes(orjson.dumps(envelope) + b"\n")


@pytest.mark.parametrize(
    "change",
    [
        {"conformant": False},
        {"product": "Another 5"},
        {"validUntil": "2099-01-01T00:00:00+00:00"},
        {"run": "another"},
        {"statement": "certified"},
    ],
)
def test_a_signature_says_of_a_report_what_the_report_says(
    runs: Runs, good: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    make_keys(tmp_path / "vendor.key", None)
    sign(good, read_report(good), read_private(tmp_path / "vendor.key", None), "Example")
    assert runs.verify(good) == []
    _sealed(good, tmp_path / "vendor.key", change)
    assert _told(runs, good).startswith("V015: expected a signature that says what the report says")
