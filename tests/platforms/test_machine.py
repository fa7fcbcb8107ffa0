"""Probes of this machine, with stand-ins on the PATH."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.platforms import machine

Stub = Callable[[str, str], None]


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stub:
    """Put shell scripts on an otherwise empty PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def write(name: str, text: str) -> None:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    return write


DAEMON = 'case "$1" in version) echo 28.0.0;; image) echo 0123;; run) {run};; esac'


@pytest.mark.parametrize(
    ("run", "fine"),
    [
        ("exit 0", True),
        ("echo 'exec: \"/bin/true\": stat: no such file' >&2; exit 127", True),
        ("echo 'unable to apply caps: operation not permitted' >&2; exit 125", False),
        ("echo 'unable to apply caps: operation not permitted' >&2; exit 126", False),
        ("echo 'permission denied' >&2; exit 125", False),
    ],
)
def test_privileges_are_tried_and_an_image_without_true_is_no_refusal(stub: Stub, run: str, fine: bool) -> None:
    stub("docker", DAEMON.format(run=run))
    finding = machine.privileged_containers()
    assert finding.fine is fine
    assert fine or "CAP_SYS_RESOURCE" in finding.advice


def test_privileges_are_tried_as_root_without_network_and_without_a_pull(stub: Stub, tmp_path: Path) -> None:
    stub("docker", DAEMON.format(run=f'echo "$@" > {tmp_path}/words'))
    machine.privileged_containers()
    words = (tmp_path / "words").read_text().split()
    assert {"--privileged", "--user=0:0", "--network=none", "--rm"} <= set(words)
    assert words[-1] == "0123"


def test_without_a_daemon_or_an_image_nothing_is_tried(stub: Stub) -> None:
    assert machine.privileged_containers().found == "not tried: no Docker daemon"
    stub("docker", 'case "$1" in version) echo 28.0.0;; esac')
    assert "no local image" in machine.privileged_containers().found


def test_a_client_without_a_daemon_is_not_docker(stub: Stub) -> None:
    stub("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    finding = machine.docker()
    assert not finding.fine
    assert "Cannot connect" in finding.found


def test_an_envoy_that_does_not_start_is_found_out(stub: Stub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stub("broken", "echo 'GLIBC_2.31 not found' >&2; exit 1")
    monkeypatch.setattr(machine, "envoy_binary", lambda: tmp_path / "broken")
    finding = machine.envoy()
    assert not finding.fine
    assert "it does not start: GLIBC_2.31 not found" in finding.found


def test_gpus_are_named_by_their_tool_alone(stub: Stub) -> None:
    assert machine.gpus() == []
    stub("nvidia-smi", "echo 'NVIDIA L4, 23034 MiB'; echo 'NVIDIA L4, 23034 MiB'")
    assert machine.gpus() == ["NVIDIA L4, 23034 MiB"] * 2
    stub("nvidia-smi", "echo 'NVIDIA-SMI has failed' ; exit 9")
    assert machine.gpus() == []


def test_a_purpose_lacks_what_serves_it_and_is_not_fine() -> None:
    findings = [
        machine.Finding("a", fine=False, found="", serves=("kind",)),
        machine.Finding("b", fine=True, found="", serves=("kind",)),
        machine.Finding("c", fine=False, found=""),
    ]
    assert [finding.name for finding in machine.lacking(findings, "kind")] == ["a"]
    assert machine.lacking(findings, "embedded") == []
