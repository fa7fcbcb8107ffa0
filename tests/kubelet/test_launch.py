"""Which process a container becomes."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.simulator.kubelet.launch import SERVED_NAMES, UnrunnableError, mock_launch, option_values, vllm_launch

READY = Path("/run/ready.json")


def pod(
    *command: str, args: tuple[str, ...] = (), env: tuple[tuple[str, str], ...] = (), names: list[str] | None = None
) -> dict[str, Any]:
    container = {
        "name": "main",
        "command": list(command),
        "args": list(args),
        "env": [{"name": name, "value": value} for name, value in env],
    }
    annotations = {SERVED_NAMES: json.dumps(names)} if names is not None else {}
    return {
        "metadata": {"name": "p", "namespace": "n", "annotations": annotations},
        "spec": {"containers": [container]},
    }


def mock_arguments(subject: dict[str, Any]) -> tuple[str, ...]:
    launch = mock_launch(subject, READY)
    assert launch.command[:4] == (sys.executable, "-P", "-m", "mock_vllm")
    assert launch.arguments[-9:] == (
        "--host", "127.0.0.1", "--port", "0", "--admin-port", "0", "--ready-file", str(READY), "--log-requests",
    )  # fmt: skip
    return launch.arguments[:-9]


def test_the_mocks_own_command_is_kept_but_for_ports() -> None:
    subject = pod(
        "mock-vllm",
        "serve",
        "m",
        "--port",
        "8000",
        "--answer-tokens=3",
        "--admin-port=1",
        "--served-model-name",
        "a",
        "b",
    )
    assert mock_arguments(subject) == ("serve", "m", "--answer-tokens=3", "--served-model-name", "a", "b")


@pytest.mark.parametrize(
    "subject",
    [
        pod("vllm", "serve", "org/m", "--served-model-name", "a", "b", "--port", "8000"),
        pod("/usr/bin/vllm", "serve", "org/m", "--served-model-name=a", "--served-model-name=b"),
        pod("/app/llm-d-inference-sim", args=("--port", "8000", "--model", "a", "--mode", "random"), names=["a", "b"]),
        pod(names=["a", "b"]),
    ],
)
def test_any_model_server_becomes_the_mock_with_its_names(subject: dict[str, Any]) -> None:
    assert mock_arguments(subject) == ("serve", "a", "--served-model-name", "a", "b")


def test_vllm_without_served_names_answers_to_its_model() -> None:
    assert mock_arguments(pod("vllm", "serve", "org/m")) == ("serve", "org/m", "--served-model-name", "org/m")


def test_variables_reach_the_command_and_the_process() -> None:
    subject = pod("mock-vllm", "serve", "$(NAME)", env=(("NAME", "m"), ("MOCK_VLLM_SEED", "7")))
    assert mock_arguments(subject) == ("serve", "m")
    assert mock_launch(subject, READY).environment["MOCK_VLLM_SEED"] == "7"


@pytest.mark.parametrize("subject", [pod("nginx"), pod("vllm"), {"metadata": {}, "spec": {}}])
def test_what_serves_no_model_is_refused_with_a_reason(subject: dict[str, Any]) -> None:
    with pytest.raises(UnrunnableError, match=r"expected|no container"):
        mock_launch(subject, READY)


def test_an_options_values_end_at_the_next_option() -> None:
    assert option_values(["--x", "a", "b", "--y", "c"], "--x") == ["a", "b"]
    assert option_values(["--x=a", "--x", "b"], "--x") == ["a", "b"]


def test_a_real_vllm_keeps_its_command_and_gets_a_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = tmp_path / "vllm"
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    subject = pod("vllm", "serve", "org/m", "--port", "8000", env=(("VLLM_ADDITIONAL_ARGS", "--max-model-len 512"),))
    assert vllm_launch(subject, 4711).arguments == (
        str(binary), "serve", "org/m", "--max-model-len", "512", "--host", "127.0.0.1", "--port", "4711",
    )  # fmt: skip


def test_without_vllm_on_the_path_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(UnrunnableError, match="vllm is not on the PATH"):
        vllm_launch(pod("vllm", "serve", "m"), 1)
