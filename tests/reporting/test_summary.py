"""The run in numbers and in words."""

import io
import json
import re
from pathlib import Path

import pytest

from harness.engine.events import CheckFinished, CheckPlanned, RunFinished
from harness.engine.record import RunRecord
from harness.reporting.console import PlainConsole
from harness.reporting.live import LiveConsole
from harness.reporting.outline import summary_lines
from harness.reporting.summary import SummaryWriter
from tests.reporting.made_up_run import FAILURE, events, finished, planned


def _console(verbosity: int) -> str:
    file = io.StringIO()
    console, record = PlainConsole(file, "OUT", verbosity), RunRecord()
    for event in events():
        record.apply(event)
        console.on_event(event, record)
    console.finish(record)
    return file.getvalue()


def test_the_numbers(record: RunRecord, out: Path) -> None:
    SummaryWriter(out).finish(record)
    summary = json.loads((out / "summary.json").read_bytes())
    numbers = {
        name: summary[name] for name in ("passed", "failed", "not_runnable", "skipped", "passed_on_retry", "unfinished")
    }
    assert numbers == {"passed": 1, "failed": 2, "not_runnable": 1, "skipped": 1, "passed_on_retry": 1, "unfinished": 1}
    assert (summary["duration_s"], summary["startup_s"], summary["checks_s"]) == (7.0, 2.5, 3.0)
    requirements = summary["requirements"]
    assert (requirements["covered"], requirements["total"]) == (8, 462)
    assert requirements["proven"] == ["MAAS-LIST-001", "MAAS-RATE-003"]
    assert requirements["broken"] == ["MAAS-LIST-002", "MAAS-RATE-001"]
    assert "MAAS-RATE-002" in requirements["not_evaluated"]
    assert len(requirements["uncovered"]) == 454
    assert summary["failures"][0]["expected"] == "429"
    assert summary["characteristics"] == [
        {"check": "scenarios/quota/test_limits.py::passes", "name": "overshoot", "value": 12.0, "unit": "tokens"}
    ]


def test_quiet_tells_the_end_alone() -> None:
    lines = _console(-1).splitlines()
    failed = [line for line in lines if line.startswith("FAILED ")]
    assert failed == ["FAILED t", f"FAILED {FAILURE.title}"]  # the platform's last, where the eye is
    assert lines[0] == failed[0]
    assert lines[-1] == "NOT CONFORMANT (exit 1): not conformant: 1 of 7 checks failed"


def test_normal_tells_failures_as_they_happen_and_the_reasons_of_the_rest() -> None:
    text = _console(0)
    assert text.index("FAILED MAAS-RATE-001") < text.index("  expected 429")
    assert "not runnable (1): needs clock: time is real here" in text
    assert "skipped (1): not today" in text
    assert "passed on retry: scenarios/quota/test_limits.py::again (2 attempts)" in text
    assert re.search(
        r"requirements without a check: \d+ \(\d+: no check has been written yet, \d+ for other reasons; -v names each\)",
        text,
    )
    assert "1 passed, 2 failed, 1 not runnable, 1 skipped, 1 passed on retry, 1 unfinished" in text
    assert "platform ready in 2.5 s, checks in 3.0 s (2.0 a second), 7.0 s in all" in text


def test_verbose_tells_every_check_and_every_requirement_without_one() -> None:
    text = _console(1)
    assert re.search(r"^PASSED +scenarios/quota/test_limits.py::passes 0.50 s$", text, re.MULTILINE)
    assert "no check for MAAS-RATE-005 (should): no check has been written yet" in text


@pytest.mark.parametrize("blame", ["platform", "environment"])
def test_a_failed_canary_comes_first(blame: str) -> None:
    import msgspec

    failure = msgspec.structs.replace(FAILURE, blame=blame, detail="responses carry no usage")
    record = RunRecord.of(
        [
            planned("a_first_check"),
            planned("canary", canary=True),
            finished("a_first_check", "failed", failure=FAILURE),
            finished("canary", "failed", failure=failure),
            RunFinished(at=9.0, duration_s=1.0, exit_code=1, reason="not conformant"),
        ]
    )
    first = summary_lines(record, "OUT", 0)[0]
    expected = (
        "!!! THE CANARY FAILED: limits look on and enforce nothing"
        if blame == "platform"
        else "!!! THE CANARY COULD NOT"
    )
    assert first.startswith(expected)
    assert ("responses carry no usage" in first) == (blame == "platform")


def test_a_canary_that_cannot_run_leaves_a_doubt_that_is_told() -> None:
    record = RunRecord.of(
        [planned("canary", canary=True), finished("canary", "not_runnable", reason="needs kube: none here")]
    )
    assert "the canary did not run, so whether limits enforce anything at all was not shown" in summary_lines(
        record, "OUT", 0
    )


def test_the_live_view_draws_areas_and_ends_with_the_same_words() -> None:
    file = io.StringIO()
    file.isatty = lambda: True  # type: ignore[method-assign]
    console, record = LiveConsole(file, "OUT", 0), RunRecord()
    for event in events():
        record.apply(event)
        console.on_event(event, record)
        if isinstance(event, CheckFinished | CheckPlanned):
            console._live.refresh()
    console.finish(record)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())
    assert "token-rate-limits" in text
    assert "model-listing" in text
    assert "1/7" in text
    assert text.rstrip().endswith("NOT CONFORMANT (exit 1): not conformant: 1 of 7 checks failed")
