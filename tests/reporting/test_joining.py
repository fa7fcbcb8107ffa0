"""Shards of a run, joined, are that run."""

import shutil
import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.cli.command import run as maas
from harness.engine.events import CheckFinished, CheckPlanned, RunFinished, RunStarted, SuiteCollected, encode
from harness.engine.journal import read_journal
from harness.engine.record import RunRecord
from harness.outcome import ExitCode, UsageFault
from harness.platforms.platform import Endpoints, Platform
from harness.reporting.joining import join, write_joined
from harness.reporting.regenerate import regenerate
from harness.reporting.verification import verify
from tests.engine.conftest import Suite

CHECKS = """
@check("MAAS-RATE-001", canary=True)
def test_canary(): pass

@check("MAAS-LIST-001")
@pytest.mark.parametrize("n", range(5))
def test_list(n): pass

@check("MAAS-LIST-002")
def test_other():
    if os.environ.get("BREAK"):
        raise NotConformant(expected="a", observed="b")
"""


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("shards")
    suite = Suite(folder)
    suite.write("shards", CHECKS)
    for number in (1, 2):
        judged = suite.run("--maas-shard", f"{number}/2", "--maas-out", str(folder / f"shard{number}"))
        assert judged.code == ExitCode.CONFORMANT, judged.output
    assert (
        suite.run("--maas-shard", "2/2", "--maas-out", str(folder / "broken"), BREAK="1").code
        == ExitCode.NOT_CONFORMANT
    )
    return folder / "shard1", folder / "shard2"


def _planned(folder: Path) -> set[str]:
    return {event.check_id.rpartition("::")[2] for event in read_journal(folder) if isinstance(event, CheckPlanned)}


def test_shards_share_the_canary_and_nothing_else(shards: tuple[Path, Path]) -> None:
    first, second = map(_planned, shards)
    assert first & second == {"test_canary"}
    assert len(first | second) == 7
    assert abs(len(first) - len(second)) <= 1


def test_the_joined_run_is_complete_and_would_be_accepted(shards: tuple[Path, Path], tmp_path: Path) -> None:
    events = join(shards)
    write_joined(events, tmp_path)
    record = regenerate(events, tmp_path)
    assert (record.counts["passed"], record.deselected) == (7, ())
    digest = next(event.suite_digest for event in events if isinstance(event, RunStarted))
    assert verify(tmp_path, [check.planned for check in record.checks.values()], digest)[1] == []


def test_a_shard_that_failed_fails_the_whole(shards: tuple[Path, Path]) -> None:
    record = RunRecord.of(join([shards[0], shards[0].parent / "broken"]))
    assert record.finished is not None
    assert record.finished.exit_code == ExitCode.NOT_CONFORMANT
    assert record.finished.reason == "not conformant: 1 of 7 checks found a promise broken"


def test_a_shard_that_was_interrupted_voids_the_whole(shards: tuple[Path, Path], tmp_path: Path) -> None:
    other = Path(shutil.copytree(shards[1], tmp_path / "copy"))
    end = {"exit_code": int(ExitCode.INVALID), "reason": "interrupted: nothing can be concluded"}
    events = [
        msgspec.structs.replace(event, **end) if isinstance(event, RunFinished) else event
        for event in read_journal(other)
    ]
    (other / "journal.ndjson").write_bytes(b"".join(map(encode, events)))
    record = RunRecord.of(join([shards[0], other]))
    assert record.finished is not None
    assert (record.finished.exit_code, record.finished.reason) == (ExitCode.INVALID, end["reason"])


def test_of_two_verdicts_on_the_canary_the_failed_one_counts(shards: tuple[Path, Path], tmp_path: Path) -> None:
    other = Path(shutil.copytree(shards[1], tmp_path / "copy"))
    broken = next(
        event
        for event in read_journal(shards[0].parent / "broken")
        if isinstance(event, CheckFinished) and event.failure
    )
    events = [
        msgspec.structs.replace(event, outcome="failed", failure=broken.failure)
        if isinstance(event, CheckFinished) and "canary" in event.check_id
        else event
        for event in read_journal(other)
    ]
    (other / "journal.ndjson").write_bytes(b"".join(map(encode, events)))
    assert [
        check.planned.check_id.rpartition("::")[2] for check in RunRecord.of(join([shards[0], other])).broken_canaries
    ] == ["test_canary"]


def test_runs_of_different_suites_or_targets_are_not_joined(shards: tuple[Path, Path], tmp_path: Path) -> None:
    other = Path(shutil.copytree(shards[1], tmp_path / "copy"))
    events = read_journal(other)
    for change in ({"target": "cluster"}, {"suite_digest": "0"}, {"parameters": {"ready_bound_s": 1.0}}):
        changed = [
            msgspec.structs.replace(event, **change) if isinstance(event, RunStarted) else event for event in events
        ]
        (other / "journal.ndjson").write_bytes(b"".join(map(encode, changed)))
        with pytest.raises(UsageFault, match=f"are no parts of one run: {next(iter(change))} is"):
            join([shards[0], other])
    changed = [
        msgspec.structs.replace(event, proofs={}) if isinstance(event, SuiteCollected) else event for event in events
    ]
    (other / "journal.ndjson").write_bytes(b"".join(map(encode, changed)))
    with pytest.raises(UsageFault, match="their suites differ"):
        join([shards[0], other])


def test_a_shard_that_is_missing_or_given_twice_is_refused(shards: tuple[Path, Path], tmp_path: Path) -> None:
    def renamed(name: str, shard: str) -> Path:
        folder = Path(shutil.copytree(shards[0], tmp_path / name))
        events = [
            msgspec.structs.replace(
                event, arguments=tuple(shard if word == "1/2" else word for word in event.arguments)
            )
            if isinstance(event, RunStarted)
            else event
            for event in read_journal(folder)
        ]
        write_joined(events, folder)
        return folder

    with pytest.raises(UsageFault, match="are both shard 1/2: give each shard once"):
        join([shards[0], shards[0]])
    with pytest.raises(UsageFault, match="shard 2/3 is missing: 2 of 3 were given"):
        join([renamed("first", "1/3"), renamed("third", "3/3")])
    with pytest.raises(UsageFault, match="shards of several runs: 1/4, 2/2"):
        join([renamed("another", "1/4"), shards[1]])


def test_the_command_joins_and_exits_as_the_whole_would(
    shards: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert maas(["report", "merge", *map(str, shards), "--out", str(tmp_path / "whole")]) == ExitCode.CONFORMANT
    assert capsys.readouterr().out.splitlines()[-1] == "CONFORMANT (exit 0): conformant in all that was judged"
    assert maas(["report", "make", str(shards[0].parent / "broken"), "-q"]) == ExitCode.NOT_CONFORMANT
    assert maas(["report", "merge", str(shards[0]), "--out", str(tmp_path / "x")]) == ExitCode.USAGE
    assert "at least two shards" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "/"])
def test_a_shard_that_is_none_is_one_sentence(suite: Suite, text: str) -> None:
    suite.write("shards", CHECKS)
    judged = suite.run("--maas-shard", text)
    assert judged.code == pytest.ExitCode.USAGE_ERROR
    assert f"takes I/N with I from 1 to N, such as 2/4; got '{text}'" in judged.output


def test_a_rerun_judges_what_failed_and_the_canary(shards: tuple[Path, Path], suite: Suite) -> None:
    suite.write("shards", CHECKS)
    broken = shards[0].parent / "broken"
    judged = suite.run("--maas-rerun", str(broken))
    assert judged.code == ExitCode.CONFORMANT, judged.output
    assert _planned(suite.out) == {"test_canary", "test_other"}
    refused = suite.run("--maas-rerun", str(shards[0]))
    assert "nothing failed in the run in" in refused.output


def test_an_interrupted_run_goes_on_where_it_ended(shards: tuple[Path, Path], suite: Suite, tmp_path: Path) -> None:
    suite.write("shards", CHECKS)
    suite.run()
    cut = tmp_path / "cut"
    cut.mkdir()
    events = read_journal(suite.out)
    kept = [
        event
        for event in events
        if not isinstance(event, RunFinished)
        and not (isinstance(event, CheckFinished) and event.check_id.endswith(("list[3]", "other")))
    ]
    (cut / "journal.ndjson").write_bytes(b"".join(map(encode, kept)))
    judged = suite.run("--maas-resume", str(cut))
    assert judged.code == ExitCode.CONFORMANT, judged.output
    assert _planned(suite.out) == {"test_canary", "test_list[3]", "test_other"}
    whole = join([cut, suite.out], resumed=True)
    record = RunRecord.of(whole)
    assert record.finished is not None
    assert (record.counts["passed"], record.unfinished, record.finished.exit_code) == (7, [], ExitCode.CONFORMANT)
    with pytest.raises(UsageFault, match="never ended: run that shard again, or resume it"):
        join([cut, suite.out])


@pytest.mark.parametrize(
    ("change", "arguments", "words"),
    [
        ({"endpoints": None}, (), "identity was 'http://127.0.0.1:"),
        ({"stack": "installed"}, (), "stack was 'reference' and is 'installed' now"),
        ({"versions": {"envoy": "2"}}, (), "versions was {} and is {'envoy': '2'} now"),
        ({}, ("--maas-profile", "smoke"), "profile was 'full' and is 'smoke' now"),
        ({}, ("--maas-product", "Other"), "product was None"),
    ],
)
def test_a_run_is_not_resumed_on_another_platform_and_says_so_before_it_judges(
    suite: Suite, tmp_path: Path, change: dict[str, Any], arguments: tuple[str, ...], words: str
) -> None:
    suite.write("shards", CHECKS)
    assert suite.run().code == ExitCode.CONFORMANT
    cut = tmp_path / "cut"
    cut.mkdir()
    kept = [event for event in read_journal(suite.out) if not isinstance(event, CheckFinished | RunFinished)]
    (cut / "journal.ndjson").write_bytes(b"".join(map(encode, kept)))
    with socket.create_server(("127.0.0.1", 0)) as other:
        if "endpoints" in change:
            url = f"http://127.0.0.1:{other.getsockname()[1]}"
            change = {"endpoints": Endpoints(gateway=url, management=url)}
        suite.platform(Platform.load(suite.platform_file).model_copy(update=change))
        judged = suite.run("--maas-resume", str(cut), *arguments)
    assert judged.code == ExitCode.USAGE, judged.output
    assert f"the run in {cut} cannot go on here: its {words}" in judged.output
    assert "passed" not in judged.output


def test_a_run_that_ended_is_not_resumed(shards: tuple[Path, Path], suite: Suite) -> None:
    suite.write("shards", CHECKS)
    judged = suite.run("--maas-resume", str(shards[0]))
    assert judged.code == pytest.ExitCode.USAGE_ERROR
    assert "every check came to a verdict in the run in" in judged.output


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)
