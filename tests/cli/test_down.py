"""Which platform is meant, where several run: `down` with real platforms, `component` and `diagnose` by what `up` holds open."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.cli.command import run
from harness.cli.diagnose import _running
from harness.outcome import ExitCode, UsageFault
from harness.platforms.detached import detached_runs, hold, stop_detached
from harness.platforms.lease import PLATFORM_FILE, STATE_HOME_VARIABLE, Lease
from harness.platforms.platform import Endpoints, Platform

URL = "https://maas.example.com"


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv(STATE_HOME_VARIABLE, str(tmp_path / "home"))
    yield tmp_path / "home"
    for left in detached_runs():
        stop_detached(left)


def detached() -> str:
    """The id of one more Kubernetes API that runs by itself."""
    words = [sys.executable, "-m", "harness", "up", "--only", "kube", "--detach", "--json"]
    started = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
    run_id = json.loads(started.stdout)["run_id"]
    assert f"`maas-conformance down {run_id}` stops it" in started.stderr
    return str(run_id)


def test_down_ends_one_platform_and_all_only_when_told(state_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = [detached() for _ in range(3)]
    owners = {record.run_id: record.supervisor.pid for record in detached_runs()}
    assert set(owners) == set(ids)

    assert run(["down"]) == ExitCode.USAGE
    told = capsys.readouterr().err
    assert told.startswith(
        f"maas-conformance: 3 detached platforms are running; end one with `maas-conformance down {ids[2]}`"
    )
    assert "`maas-conformance down --all`" in told
    assert [line.split()[:2] for line in told.splitlines()[1:]] == [[run_id, "since"] for run_id in reversed(ids)]
    assert len(detached_runs()) == 3

    assert run(["down", "--all", ids[0]]) == ExitCode.USAGE
    assert "no id goes with it" in capsys.readouterr().err
    assert len(detached_runs()) == 3

    assert run(["down", ids[0]]) == ExitCode.CONFORMANT
    assert capsys.readouterr().out == f"stopped {ids[0]}\n"
    assert {record.run_id for record in detached_runs()} == set(ids[1:])

    assert run(["down", "--all"]) == ExitCode.CONFORMANT
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(f"stopped {run_id}" for run_id in ids[1:])
    assert not any(psutil.pid_exists(pid) for pid in owners.values())
    assert not state_home.exists()
    assert run(["down"]) == ExitCode.CONFORMANT
    assert run(["down", "--all"]) == ExitCode.CONFORMANT
    assert capsys.readouterr().out == "no detached platform is running\n" * 2


def test_a_platform_that_a_run_judges_is_stopped_by_nobody_who_does_not_name_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lease = Lease.open()
    try:
        file = lease.private / PLATFORM_FILE
        endpoints = Endpoints(gateway=URL, management=URL)
        Platform(target="cluster", stack="installed", endpoints=endpoints, kubeconfig=file).save(file)
        assert run(["component", "stop", "limiter"]) == ExitCode.USAGE
        assert "no platform is running on this machine" in capsys.readouterr().err
        assert _running(None) is None
        hold()
        assert run(["component", "stop", "limiter"]) == ExitCode.USAGE
        assert f"the platform of {file} is not an embedded one" in capsys.readouterr().err
        assert _running(None) == _running(file) == Platform.load(file)
        assert _running(file.parent) is None
    finally:
        lease.release()


def test_of_several_platforms_one_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leases = [Lease.open(tmp_path / name) for name in ("one", "two")]
    try:
        for lease in leases:
            file = lease.private / PLATFORM_FILE
            endpoints = Endpoints(gateway=URL, management=URL)
            Platform(target="cluster", stack="installed", endpoints=endpoints, kubeconfig=file).save(file)
            (lease.private / "held-by-up").touch()
        first, second = sorted(str(lease.private / PLATFORM_FILE) for lease in leases)
        assert run(["component", "list"]) == ExitCode.USAGE
        told = capsys.readouterr().err
        assert "2 platforms are running: name one with --platform " in told
        assert first in told
        assert second in told
        with pytest.raises(UsageFault, match="2 platforms are running: say which with --kubeconfig "):
            _running(None)
        for path in (Path(first), Path(second)):
            assert _running(path).kubeconfig == path
    finally:
        for lease in leases:
            lease.release()


def test_clean_takes_no_choice_of_objects_without_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--run", "x"], ["--older-than", "5"]):
        assert run(["clean", *words]) == ExitCode.USAGE
        assert "name it with --kubeconfig FILE" in capsys.readouterr().err
