"""Checks that run alone: after all others, one at a time, and never at the price of a run that does not end."""

import signal
from itertools import pairwise

import pytest

from harness.engine.events import CheckFinished, CheckPlanned, CheckStarted, WorkerLost
from harness.outcome import ExitCode
from tests.engine.conftest import Judged, Suite

MIXED = """
@check("MAAS-LIST-001", alone=True)
@pytest.mark.parametrize("n", range(3))
def test_alone(n): time.sleep(0.05)

@check("MAAS-LIST-002")
@pytest.mark.parametrize("n", range(9))
def test_together(n): time.sleep(0.02)

@check("MAAS-LIST-002", alone=True)
def test_last(): pass
"""
WORKERS = ["-n0"], ["-n2"], ["-n3", "--dist", "worksteal"], ["-n2", "--dist", "loadfile"]


def outcomes_of(judged: Judged) -> dict[str, str]:
    """The class of each check that came to a verdict, by the name of its function."""
    ended = [event for event in judged.events if isinstance(event, CheckFinished)]
    return {event.check_id.rpartition("::")[2]: event.outcome for event in ended}


def spans(judged: Judged, *, alone: bool) -> list[tuple[float, float]]:
    """From start to end of each check that runs alone, or of each other one."""
    planned = {event.check_id for event in judged.events if isinstance(event, CheckPlanned) and event.alone is alone}
    begun = {event.check_id: event.at for event in judged.events if isinstance(event, CheckStarted)}
    ended = {event.check_id: event.at for event in judged.events if isinstance(event, CheckFinished)}
    return sorted((begun[check], ended[check]) for check in planned)


@pytest.mark.parametrize("workers", WORKERS, ids=" ".join)
def test_they_run_after_all_others_and_one_at_a_time(suite: Suite, workers: list[str]) -> None:
    suite.write("mixed", MIXED)
    judged = suite.run(*workers)
    assert (judged.code, judged.summary["passed"]) == (ExitCode.CONFORMANT, 13), judged.output
    together, alone = spans(judged, alone=False), spans(judged, alone=True)
    assert (len(together), len(alone)) == (9, 4)
    assert max(end for _, end in together) <= alone[0][0]
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(alone))


def test_a_run_of_nothing_else_ends(suite: Suite) -> None:
    suite.write("mixed", MIXED)
    judged = suite.run("-n2", "-k", "alone or last")
    assert (judged.code, judged.summary["passed"]) == (ExitCode.CONFORMANT, 4), judged.output


def test_what_a_worker_shares_among_checks_is_gone_before_they_begin(suite: Suite) -> None:
    suite.write(
        "shared",
        '@pytest.fixture(scope="session")\ndef shared(tmp_path_factory):\n'
        '    mine = f"up-{os.getpid()}"\n    open(mine, "w").close()\n    yield\n    os.unlink(mine)\n'
        '@check("MAAS-LIST-001")\n@pytest.mark.parametrize("n", range(6))\ndef test_together(shared, n): time.sleep(0.02)\n'
        'import glob\n@check("MAAS-LIST-002", alone=True)\ndef test_alone(): assert glob.glob("up-*") == []\n',
    )
    judged = suite.run("-n3")
    assert judged.code == ExitCode.CONFORMANT, judged.output


def test_a_failure_is_judged_and_retried_as_of_any_check(suite: Suite) -> None:
    suite.write(
        "failing",
        '@check("MAAS-LIST-001", alone=True)\ndef test_fails(): raise NotConformant(expected="a", observed="b")\n'
        '@check("MAAS-LIST-002", alone=True)\ndef test_then_passes():\n'
        '    tried = os.path.exists("tried")\n    open("tried", "w").close()\n    assert tried\n'
        '@check("MAAS-LIST-003")\ndef test_together(): pass\n',
    )
    judged = suite.run("-n2", "--maas-retries", "1")
    assert judged.code == ExitCode.NOT_CONFORMANT, judged.output
    assert outcomes_of(judged) == {
        "test_fails": "failed",
        "test_then_passes": "passed_on_retry",
        "test_together": "passed",
    }


def test_one_that_kills_its_worker_voids_the_run_and_the_others_still_run_once(suite: Suite) -> None:
    suite.write(
        "crash",
        '@check("MAAS-LIST-001", alone=True)\ndef test_a_dies(): os.kill(os.getpid(), signal.SIGKILL)\n'
        '@check("MAAS-LIST-002", alone=True)\n@pytest.mark.parametrize("n", range(2))\ndef test_b_lives(n): pass\n'
        '@check("MAAS-LIST-003")\n@pytest.mark.parametrize("n", range(4))\ndef test_together(n): pass\n',
    )
    judged = suite.run("-n2")
    assert judged.code == ExitCode.INVALID, judged.output
    assert judged.summary["passed"] == 6
    (failure,) = judged.summary["failures"]
    assert failure["observed"] == "the test worker died while this check ran"
    begun = [event.check_id.rpartition("::")[2] for event in judged.events if isinstance(event, CheckStarted)]
    assert sorted(name for name in begun if "together" not in name) == [
        "test_a_dies",
        "test_b_lives[0]",
        "test_b_lives[1]",
    ]
    assert sum(isinstance(event, WorkerLost) for event in judged.events) == 1


def test_a_worker_that_dies_before_them_does_not_hold_them_up(suite: Suite) -> None:
    suite.write(
        "crash",
        '@check("MAAS-LIST-001", alone=True)\ndef test_alone(): pass\n'
        '@check("MAAS-LIST-002")\ndef test_dies(): os.kill(os.getpid(), signal.SIGKILL)\n'
        '@check("MAAS-LIST-003")\n@pytest.mark.parametrize("n", range(4))\ndef test_together(n): pass\n',
    )
    judged = suite.run("-n2")
    assert judged.code == ExitCode.INVALID, judged.output
    assert judged.summary["passed"] == 5


@pytest.mark.parametrize("workers", ["0", "2"])
def test_stopping_at_the_first_failure_leaves_them_out(suite: Suite, workers: str) -> None:
    suite.write(
        "stop",
        '@check("MAAS-LIST-001")\ndef test_a(): raise NotConformant(expected="a", observed="b")\n'
        '@check("MAAS-LIST-002", alone=True)\ndef test_alone(): open("ran", "w").close()\n',
    )
    judged = suite.run("-x", "-n", workers)
    assert judged.summary["failed"] == 1
    assert not (suite.folder / "ran").exists()


@pytest.mark.parametrize("moment", ["together", "alone"])
def test_an_interruption_ends_the_run_before_and_while_they_run(suite: Suite, moment: str) -> None:
    suite.write(
        "slow",
        f'@check("MAAS-LIST-001")\ndef test_together():\n    open("together", "w").close()\n'
        f'    time.sleep(600 if {moment!r} == "together" else 0)\n'
        '@check("MAAS-LIST-002", alone=True)\ndef test_alone():\n    open("alone", "w").close()\n    time.sleep(600)\n',
    )
    with suite.begin("-n2") as begun:
        begun.until((suite.folder / moment).exists)
        begun.process.send_signal(signal.SIGINT)
        judged = begun.end()
    assert judged.code == ExitCode.INVALID, judged.output
    assert (suite.folder / "alone").exists() is (moment == "alone")


def test_shards_deal_them_out_like_all_others(suite: Suite) -> None:
    suite.write("mixed", MIXED)
    ran = [name for number in (1, 2) for name in outcomes_of(suite.run("-n2", "--maas-shard", f"{number}/2"))]
    assert len(ran) == len(set(ran)) == 13


def test_what_an_interrupted_run_left_of_them_is_resumed(suite: Suite) -> None:
    suite.write(
        "mixed",
        '@check("MAAS-LIST-001")\ndef test_together(): raise NotConformant(expected="a", observed="b")\n'
        '@check("MAAS-LIST-002", alone=True)\ndef test_alone(): pass\n',
    )
    first = suite.run("-x", "-n2")
    assert outcomes_of(first) == {"test_together": "failed"}
    interrupted = suite.folder / "first"
    suite.out.rename(interrupted)
    assert outcomes_of(suite.run("-n2", "--maas-resume", str(interrupted))) == {"test_alone": "passed"}
