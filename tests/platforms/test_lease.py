import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from harness.cli.command import run
from harness.outcome import EnvironmentFault, ExitCode
from harness.platforms.lease import OWNER, STATE_HOME_VARIABLE, Lease, ProcessRecord, record_path
from harness.platforms.remains import kept_folders, live_runs, sweep_dead_runs
from tests.platforms.conftest import processes_of


def test_a_released_lease_leaves_nothing_behind(state_home: Path) -> None:
    lease = Lease.open()
    (lease.private / "secret").write_text("x")
    lease.release()
    assert not state_home.exists()


def test_a_folder_of_the_caller_keeps_its_logs_and_foreign_files_and_loses_what_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "summary.json").write_text("{}")
    lease = Lease.open(folder)
    (lease.logs / "a.log").write_text("evidence")
    (lease.private / "admin.kubeconfig").write_text("secret")
    lease.release()
    assert sorted(path.name for path in folder.rglob("*")) == ["a.log", "logs", "summary.json"]


def test_private_files_are_the_owner_s_alone(lease: Lease) -> None:
    assert lease.private.stat().st_mode & 0o077 == 0
    assert lease.folder.stat().st_mode & 0o077 == 0


def test_two_runs_cannot_share_a_folder(tmp_path: Path) -> None:
    first = Lease.open(tmp_path / "out")
    with pytest.raises(EnvironmentFault, match="in use by another run"):
        Lease.open(tmp_path / "out")
    assert [run.run_id for run in live_runs()] == [first.run_id]
    first.release()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    obstacle = tmp_path / "file"
    obstacle.write_text("")
    with pytest.raises(EnvironmentFault, match="cannot write the state folder"):
        Lease.open(obstacle / "out")


def test_a_live_run_is_never_swept(lease: Lease) -> None:
    assert sweep_dead_runs() == []
    assert lease.private.is_dir()
    assert [run.run_id for run in live_runs()] == [lease.run_id]


SUPERVISED = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from harness.platforms.lease import Lease
    from harness.platforms.supervisor import Part, Supervisor

    lease = Lease.open(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    supervisor = Supervisor(lease)
    supervisor.load([Part("mule", "stubborn", lambda ready: []), Part("steady", "steady", lambda ready: [])])
    supervisor.until(supervisor.all_ready)
    print(lease.run_id, flush=True)
    time.sleep(600)
    """
)


def killed_owner(*arguments: str) -> str:
    owner = subprocess.Popen([sys.executable, "-c", SUPERVISED, *arguments], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    run_id = owner.stdout.readline().strip()
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    return run_id


def test_what_a_killed_run_left_is_swept_by_the_next(fake_components: Path, state_home: Path, tmp_path: Path) -> None:
    run_id = killed_owner(str(tmp_path / "out"))
    assert processes_of(run_id) != []
    swept = sweep_dead_runs()
    assert [entry.run_id for entry in swept] == [run_id]
    assert len(swept[0].processes) >= 2
    assert processes_of(run_id) == []
    assert not (tmp_path / "out" / "state").exists()
    assert (tmp_path / "out" / "logs").is_dir()
    assert not state_home.exists()


def test_private_files_of_a_dead_run_that_was_registered_elsewhere_do_not_block_a_folder(
    fake_components: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = killed_owner(str(tmp_path / "out"))
    elsewhere = tmp_path / "another-home"
    with monkeypatch.context() as patch:
        patch.setenv(STATE_HOME_VARIABLE, str(elsewhere))
        lease = Lease.open(tmp_path / "out")
        assert lease.private.is_dir()
        lease.release()
    assert [entry.run_id for entry in sweep_dead_runs()] == [run_id]


def test_a_later_process_of_the_same_id_is_not_taken_for_a_recorded_one(state_home: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    try:
        gone = Lease.open()
        gone.record(ProcessRecord("component", bystander.pid, psutil.Process(bystander.pid).create_time() - 100))
        gone._lock.release()  # as the kernel does when the owner dies
        assert [entry.processes for entry in sweep_dead_runs()] == [()]
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_record_that_is_not_whole_is_removed_without_harm(state_home: Path) -> None:
    gone = Lease.open()
    record_path(gone.run_id).write_text(json.dumps({"run_id": gone.run_id})[:-3])
    gone._lock.release()
    assert sweep_dead_runs() == []
    assert not record_path(gone.run_id).exists()


def test_the_folder_of_a_dead_run_whose_record_was_lost_is_swept_too(fake_components: Path, state_home: Path) -> None:
    run_id = killed_owner()
    folder = state_home / "runs" / run_id
    assert (folder / "state").is_dir()
    record_path(run_id).write_text("")  # as a file system does that lost its power in mid-write
    assert [(entry.run_id, entry.folder, len(entry.processes) >= 2) for entry in sweep_dead_runs()] == [
        (run_id, folder, True)
    ]
    assert not state_home.exists()


def test_the_folder_of_a_live_run_is_not_taken_for_an_orphan(state_home: Path) -> None:
    lease = Lease.open()
    record_path(lease.run_id).unlink()
    assert sweep_dead_runs() == []
    assert lease.private.is_dir()
    lease.release()


def test_a_folder_that_was_kept_on_purpose_is_not_taken_for_an_orphan(
    state_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lease = Lease.open()
    (lease.private / OWNER).write_text(json.dumps(["supervisor", os.getpid(), 1.0]))  # its process is gone by now
    lease.release(keep_files=True)
    assert sweep_dead_runs() == []
    assert kept_folders() == [lease.folder]
    assert run(["clean"]) == ExitCode.CONFORMANT
    assert f"{lease.folder} was kept with --keep" in capsys.readouterr().out
