"""However a run ends, it leaves reports, an honest exit code, and nothing else."""

import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import psutil
import pytest

from harness.engine.events import LeftBehind, RunFinished, RunStarted, StepTaken, WorkerLost
from harness.outcome import ExitCode
from harness.platforms.platform import LocalProcess, Platform
from tests.engine.conftest import Judged, Suite
from tests.engine.made_up import SLOW, options_of


@pytest.fixture
def target(suite: Suite) -> list[str]:
    """Options that open a made-up target, which marks its existence by a file."""
    return options_of(suite)


def _stopped(suite: Suite, number: int, arguments: list[str], *, times: int = 1) -> Judged:
    """Start a run, send it a signal while worlds are up, so many times, and wait for its end, and for that of its processes."""
    with suite.begin(*arguments) as begun:
        begun.until(lambda: list(suite.folder.glob("world-is-up-*")))
        children = psutil.Process(begun.process.pid).children(recursive=True)
        for _ in range(times):
            begun.process.send_signal(number)
            time.sleep(0.1)
        judged = begun.end()
    assert psutil.wait_procs(children, timeout=0)[1] == []
    return judged


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_signal_ends_the_run_in_order_however_impatient_its_sender(
    suite: Suite, target: list[str], workers: str, number: int, times: int
) -> None:
    suite.write("slow", SLOW)
    judged = _stopped(suite, number, [*target, "-n", workers], times=times)
    assert judged.code == ExitCode.INVALID, judged.output
    up = {path.name.rpartition("-")[2] for path in suite.folder.glob("world-is-up-*")}
    down = {path.name.rpartition("-")[2] for path in suite.folder.glob("world-is-down-*")}
    assert up == down, judged.output
    assert not (suite.folder / "open").exists()
    assert judged.summary["unfinished"] == 4
    assert "nothing can be concluded" in judged.summary["verdict"]


def test_a_worker_that_dies_voids_the_run_but_not_its_reports(suite: Suite) -> None:
    suite.write(
        "crash",
        '@check("MAAS-LIST-001")\ndef test_dies(): os.kill(os.getpid(), signal.SIGKILL)\n'
        '@check("MAAS-LIST-002")\n@pytest.mark.parametrize("n", range(4))\ndef test_lives(n): pass\n',
    )
    judged = suite.run("-n", "2")
    assert judged.code == ExitCode.INVALID
    assert judged.summary["passed"] == 4
    (failure,) = judged.summary["failures"]
    assert failure["observed"] == "the test worker died while this check ran"
    assert [event.name for event in judged.events if isinstance(event, WorkerLost)] in (["gw0"], ["gw1"])


def test_the_target_is_opened_once_and_closed_before_the_verdict(suite: Suite, target: list[str]) -> None:
    suite.write(
        "one",
        f'@check("MAAS-LIST-001")\ndef test_it(platform):\n    assert os.path.exists({str(suite.folder / "open")!r})\n',
    )
    judged = suite.run(*target, "-n", "2")
    assert judged.code == ExitCode.CONFORMANT, judged.output
    assert not (suite.folder / "open").exists()
    kinds = [type(event) for event in judged.events]
    steps = [event.text for event in judged.events if isinstance(event, StepTaken)]
    assert steps == ["opening", "closing"]
    assert kinds.index(RunStarted) < kinds.index(LeftBehind) < kinds.index(RunFinished)
    assert judged.summary["startup_s"] == 0.25


def test_a_target_that_cannot_open_is_one_sentence_and_a_report(suite: Suite, target: list[str]) -> None:
    suite.write("one", '@check("MAAS-LIST-001")\ndef test_it(): pass\n')
    judged = suite.run(*target, "--maas-set", "refuse=1")
    assert judged.code == ExitCode.ENVIRONMENT
    assert "no Docker on this machine: install it" in judged.output
    assert "Traceback" not in judged.output
    assert judged.summary["exit_code"] == ExitCode.ENVIRONMENT


def test_a_target_that_does_not_close_is_told(suite: Suite, target: list[str]) -> None:
    suite.write("one", '@check("MAAS-LIST-001")\ndef test_it(): pass\n')
    judged = suite.run(*target, "--maas-set", "stuck=1")
    assert judged.code == ExitCode.HARNESS
    assert judged.summary["left_behind"] == ["namespace x is still terminating"]


def test_stopping_at_the_first_failure_is_a_verdict(suite: Suite) -> None:
    suite.write(
        "stop",
        '@check("MAAS-LIST-001")\ndef test_a(): raise NotConformant(expected="a", observed="b")\n'
        '@check("MAAS-LIST-002")\ndef test_b(): pass\n',
    )
    judged = suite.run("-x")
    assert judged.code == ExitCode.NOT_CONFORMANT
    assert judged.summary["unfinished"] == 1


UNTIL_BROKEN = """
@check("MAAS-LIST-001")
def test_breaks_one(): raise NotConformant(expected="a", observed="b")
@check("MAAS-LIST-002")
def test_breaks_another(): raise NotConformant(expected="a", observed="b")
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_until_requirements_are_broken_ends_with_the_last_of_them(suite: Suite, workers: str) -> None:
    """The slow checks would take ten minutes each; their worlds are taken down all the same."""
    suite.write("breaks", UNTIL_BROKEN)
    suite.write("slow", SLOW)
    judged = suite.run("-n", workers, "--maas-until-broken", "MAAS-LIST-001", "--maas-until-broken", "maas-list-002")
    assert judged.code == ExitCode.NOT_CONFORMANT, judged.output
    assert {failure["requirement"] for failure in judged.summary["failures"]} == {"MAAS-LIST-001", "MAAS-LIST-002"}
    assert judged.summary["unfinished"] == 4
    assert "2 of 6 checks found a promise broken; the run ended before 4 of them" in judged.summary["verdict"]
    up, down = (len(list(suite.folder.glob(f"world-is-{state}-*"))) for state in ("up", "down"))
    assert up == down


def test_a_run_until_a_requirement_is_broken_that_holds_judges_everything(suite: Suite) -> None:
    suite.write("breaks", UNTIL_BROKEN)
    suite.write(
        "unready",
        '@check("MAAS-LIST-003")\ndef test_it(): raise NotReady("an environment that is not ready breaks nothing")',
    )
    suite.write("zeal", '@check("MAAS-LIST-004")\ndef test_it(): pass\n')
    judged = suite.run("--maas-until-broken", "MAAS-LIST-001", "--maas-until-broken", "MAAS-LIST-003")
    assert judged.summary["unfinished"] == 0
    assert (judged.summary["failed"], judged.summary["passed"]) == (3, 1)


def test_a_run_until_an_unknown_requirement_is_broken_never_begins(suite: Suite) -> None:
    suite.write("breaks", UNTIL_BROKEN)
    judged = suite.run("--maas-until-broken", "MAAS-LIST-0O1")
    assert judged.code == pytest.ExitCode.USAGE_ERROR
    assert "no requirement 'MAAS-LIST-0O1' in the catalogue; did you mean MAAS-LIST-0" in judged.output
    assert not (suite.out / "summary.json").exists()


def test_nothing_private_is_left(suite: Suite, tmp_path: Path) -> None:
    suite.write("one", '@check("MAAS-LIST-001")\ndef test_it(): pass\n')
    state = tmp_path / "state"
    suite.run("-n", "2", MAAS_CONFORMANCE_STATE=str(state))
    assert not state.exists()
    assert sorted(path.name for path in suite.out.iterdir() if path.name.startswith("journal")) == ["journal.ndjson"]


def test_the_next_run_removes_what_a_killed_one_left(suite: Suite, tmp_path: Path) -> None:
    suite.write("one", '@check("MAAS-LIST-001")\ndef test_it(): pass\n')
    dead, young = tmp_path / "state" / "sessions" / "dead", tmp_path / "state" / "sessions" / "young"
    for folder in (dead, young):
        folder.mkdir(parents=True)
        (folder / "platform.json").write_text("{}", encoding="utf-8")
    os.utime(dead, (0, 0))
    suite.run(MAAS_CONFORMANCE_STATE=str(tmp_path / "state"))
    assert (dead.exists(), young.exists()) == (False, True)


def test_a_failed_test_that_is_no_check_fails_the_session_and_not_the_platform(suite: Suite) -> None:
    suite.write("one", '@check("MAAS-LIST-001")\ndef test_it(): pass\ndef test_plain(): raise KeyError("x")\n')
    judged = suite.run()
    assert (judged.code, judged.summary["exit_code"], judged.summary["failed"]) == (1, ExitCode.CONFORMANT, 0)


def test_a_platform_that_died_voids_what_the_checks_saw(suite: Suite) -> None:
    suite.write(
        "one",
        '@check("MAAS-LIST-001")\ndef test_it(platform):\n'
        '    urllib.request.urlopen(platform.endpoints.gateway + "/end", timeout=30)\n',
    )
    threading.Thread(target=_end_at_the_first_request, args=(suite.gateway,), daemon=True).start()
    judged = suite.run()
    assert judged.code == ExitCode.INVALID
    url = suite.endpoints.gateway
    assert judged.summary["verdict"] == f"the gateway {url} does not answer any more: nothing can be concluded"


def _end_at_the_first_request(server: socket.socket) -> None:
    """Accept connections that say nothing, and close for good at the first that does."""
    while True:
        connection, _ = server.accept()
        with connection:
            if connection.recv(1):
                server.close()
                return


def test_a_platform_that_is_not_there_is_told_before_any_check(suite: Suite) -> None:
    suite.write("one", '@check("MAAS-LIST-001")\ndef test_it(): pass\n')
    suite.gateway.close()
    judged = suite.run()
    assert judged.code == ExitCode.ENVIRONMENT
    assert f"does not answer at {suite.endpoints.gateway}: start it (`maas-conformance up`)" in judged.output
    assert "test_it" not in judged.output


def test_a_component_that_died_voids_even_broken_promises(suite: Suite) -> None:
    dead = LocalProcess(pid=2**22 - 1, started=1.0)
    suite.platform(
        Platform(target="embedded", stack="reference", endpoints=suite.endpoints, processes={"limiter": dead})
    )
    suite.write("one", '@check("MAAS-LIST-001")\ndef test_it(): raise NotConformant(expected="a", observed="b")\n')
    judged = suite.run()
    assert judged.code == ExitCode.INVALID
    assert "the component limiter (process 4194303) has ended: nothing can be concluded" in judged.output


def test_a_new_run_in_the_same_folder_replaces_the_old_one(suite: Suite) -> None:
    suite.write("one", '@check("MAAS-LIST-001")\ndef test_it(): pass\n')
    suite.run()
    assert sum(isinstance(event, RunStarted) for event in suite.run().events) == 1


@pytest.mark.parametrize("arguments", [[], ["-n", "2"]])
def test_an_out_folder_that_cannot_be_written_is_one_sentence(suite: Suite, arguments: list[str]) -> None:
    suite.write("one", '@check("MAAS-LIST-001")\ndef test_it(): pass\n')
    suite.out.write_text("a file, not a folder", encoding="utf-8")
    judged = suite.run(*arguments)
    assert judged.code == pytest.ExitCode.USAGE_ERROR
    assert f"cannot write the out folder {suite.out}" in judged.output


def test_sessions_without_checks_stay_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "test_plain.py").write_text(
        "import sys\ndef test_it(request):\n"
        "    assert not [name for name in sys.modules if name.startswith('harness.platforms')]\n"
        "    assert not request.config.pluginmanager.has_plugin('maas-control')\n",
        encoding="utf-8",
    )
    suite = Suite(tmp_path)
    done = subprocess.run(
        [*suite.command()[:3], "test_plain.py", *suite.command()[4:]],
        cwd=tmp_path,
        env=suite.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, suite.out.exists()) == (0, False), done.stdout


def test_a_report_that_cannot_be_written_costs_neither_the_others_nor_honesty(suite: Suite) -> None:
    suite.write("one", '@check("MAAS-LIST-001")\ndef test_it(): pass\n')
    (suite.out / "junit.xml").mkdir(parents=True)
    judged = suite.run()
    assert judged.code == ExitCode.HARNESS
    assert "a report could not be written: JUnitWriter: IsADirectoryError" in judged.output
    assert judged.summary["passed"] == 1
    assert (suite.out / "report.html").is_file()
