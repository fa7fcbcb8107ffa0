"""What is handed on with a failure."""

import json
import re
from pathlib import Path

import msgspec

from harness.cli.suite import collect
from harness.engine.events import ExchangeRecorded, decode
from harness.engine.record import RunRecord
from harness.reporting.bundle import NAME_LIMIT, BundleWriter, folder_name
from tests.reporting.made_up_run import events


def test_each_failure_has_a_folder_and_nothing_else_has(record: RunRecord, out: Path) -> None:
    (out / "failures" / "of-an-earlier-run").mkdir(parents=True)
    BundleWriter(out).finish(record)
    assert {path.name for path in (out / "failures").iterdir()} == {
        "quota-test_limits.py-fails",
        "quota-test_limits.py-broken",
    }


def test_the_bundle_holds_words_curl_archive_journal_objects_and_logs(record: RunRecord, out: Path) -> None:
    BundleWriter(out).finish(record)
    folder = out / "failures" / "quota-test_limits.py-fails"
    assert {path.name for path in folder.iterdir()} == {
        "failure.txt",
        "repeat.sh",
        "exchanges.har",
        "journal.ndjson",
        "traceback.txt",
        "objects.json",
        "books.txt",
        "limiter.log",
    }
    assert (folder / "books.txt").read_text(encoding="utf-8").splitlines() == [
        "book of the client",
        "  r POST: 200, 3 tokens",
        "book of the platform",
        "  authorized_hits{subscription=s} 0",
    ]
    assert "expected 429" in (folder / "failure.txt").read_text(encoding="utf-8")
    assert "$MAAS_KEY" in (folder / "repeat.sh").read_text(encoding="utf-8")
    story = [decode(line) for line in (folder / "journal.ndjson").read_bytes().splitlines()]
    assert [event.at for event in story] == sorted(event.at for event in story)
    assert {type(event).__name__ for event in story} == {
        "CheckPlanned",
        "CheckStarted",
        "ExchangeRecorded",
        "DiagnosticsTaken",
        "CheckFinished",
    }
    assert json.loads((folder / "objects.json").read_bytes())[0]["conditions"] == ["Enforced=False"]


def test_the_archive_is_har_and_the_trace_is_named(out: Path) -> None:
    traced = {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01", "Authorization": "Bearer <secret>"}
    story = [
        msgspec.structs.replace(event, request_headers=traced) if isinstance(event, ExchangeRecorded) else event
        for event in events()
    ]
    BundleWriter(out).finish(RunRecord.of(story))
    folder = out / "failures" / "quota-test_limits.py-fails"
    archive = json.loads((folder / "exchanges.har").read_bytes())["log"]
    (entry,) = archive["entries"]
    assert archive["version"] == "1.2"
    assert (entry["request"]["method"], entry["response"]["status"], entry["time"]) == ("POST", 200, 100.0)
    assert entry["request"]["postData"]["text"] == "{}"
    assert sum(entry["timings"].values()) == entry["time"]
    assert f"trace    {'a' * 32} request r" in (folder / "failure.txt").read_text(encoding="utf-8")


def test_a_name_fits_every_file_system() -> None:
    name = folder_name('scenarios/a/test_b.py::test_c[x/y:"z" é]')
    assert re.fullmatch("a-test_b[.]py-test_c-x-y-z-[0-9a-f]{8}", name)
    assert folder_name("scenarios/a/test_b.py::test_c[x-y]") == "a-test_b.py-test_c-x-y"
    assert len(folder_name("x" * 500)) == NAME_LIMIT + 9


def test_no_two_checks_of_the_suite_share_a_folder() -> None:
    checks = collect("--maas-target", "embedded").proofs
    assert any(len(name) > NAME_LIMIT + len("scenarios/") for name in checks)
    assert len({folder_name(name).lower() for name in checks}) == len(checks)
