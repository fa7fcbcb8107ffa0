"""`maas-conformance component`, driven as a person drives it, against a platform that runs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli.command import run
from harness.outcome import ExitCode
from harness.platforms.detached import hold
from harness.platforms.lease import PLATFORM_FILE
from harness.platforms.platform import Endpoints, Platform
from harness.platforms.remains import live_runs
from harness.platforms.target import TargetOptions, open_target


@pytest.fixture
def platform() -> Iterator[Platform]:
    with open_target(TargetOptions(), lambda line: None) as opened:
        hold()
        yield opened


def test_components_are_stopped_and_started_by_name(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["component", "kill", "limiter", "kserve"]) == ExitCode.CONFORMANT
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        ["limiter", "stopped"],
        ["kserve", "stopped"],
    ]
    assert run(["component", "list"]) == ExitCode.CONFORMANT
    listed = dict(line.split()[:2] for line in capsys.readouterr().out.splitlines())
    assert {name for name, state in listed.items() if state == "stopped"} == {"limiter", "kserve"}
    assert set(listed) == set(platform.processes)
    assert run(["component", "start", "limiter", "--json"]) == ExitCode.CONFORMANT
    (started,) = json.loads(capsys.readouterr().out)["components"]
    assert (started["name"], started["state"]) == ("limiter", "running")
    for words, sentence in (
        (["stop", "limitr"], "there is no component 'limitr'; the components are kubeapi, maas-api,"),
        (["stop"], "`component stop` takes a name; the components are kubeapi, maas-api,"),
        (["list", "limiter"], "`component list` takes no name"),
    ):
        assert run(["component", *words]) == ExitCode.USAGE
        assert sentence in capsys.readouterr().err


def test_without_a_platform_there_is_nothing_to_stop(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["component", "list"]) == ExitCode.USAGE
    assert (
        "no platform is running on this machine: start one with `maas-conformance up --detach`"
        in capsys.readouterr().err
    )


def test_a_platform_elsewhere_is_not_ours_to_stop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / PLATFORM_FILE
    url = "https://maas.example.com"
    Platform(target="cluster", stack="installed", endpoints=Endpoints(gateway=url, management=url)).save(file)
    assert run(["component", "list", "--platform", str(file)]) == ExitCode.USAGE
    assert "is not an embedded one" in capsys.readouterr().err
    assert live_runs() == []
