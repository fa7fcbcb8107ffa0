"""Bad input of up, down, doctor and clean: one clear sentence and the right exit code, never a traceback."""

import json
import socket
from pathlib import Path

import pytest

from harness.cli.command import run
from harness.platforms.lease import STATE_HOME_VARIABLE


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(STATE_HOME_VARIABLE, str(tmp_path / "home"))
    return tmp_path / "home"


def said(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().err
    assert "Traceback" not in text
    return text


def test_an_unknown_option_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", "--fast"]) == 2
    assert "No such option" in said(capsys)


def test_a_setting_without_a_value_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", "--set", "component.limiter"]) == 2
    assert "expected KEY=VALUE, got 'component.limiter'" in said(capsys)


def test_an_unknown_setting_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", "--set", "colour=red"]) == 2
    assert "the target embedded has no setting 'colour'" in said(capsys)


def test_an_unknown_component_to_replace_is_usage(capsys: pytest.CaptureFixture[str], state_home: Path) -> None:
    assert run(["up", "--set", "component.unicorn=some.module"]) == 2
    assert "there is no component 'unicorn' to replace" in said(capsys)
    assert not state_home.exists()


def test_a_taken_port_is_the_environment(capsys: pytest.CaptureFixture[str], state_home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run(["up", "--gateway-port", str(port)]) == 3
    assert f"the gateway cannot listen on 127.0.0.1:{port}: Address already in use" in said(capsys)
    assert not state_home.exists()


def test_a_world_that_is_not_there_is_usage(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, state_home: Path
) -> None:
    assert run(["up", "--world", str(tmp_path / "nowhere.yaml")]) == 2
    assert f"there is no file or folder {tmp_path / 'nowhere.yaml'}" in said(capsys)
    assert not state_home.exists()


def test_an_unreadable_world_is_usage(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "world.yaml"
    path.write_bytes(b"\xff\xfe")
    assert run(["up", "--world", str(path)]) == 2
    assert "is not UTF-8 text" in said(capsys)


def test_a_manifest_that_the_server_refuses_names_document_and_field_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, state_home: Path
) -> None:
    path = tmp_path / "world.yaml"
    path.write_text(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: w}\n---\n"
        "apiVersion: maas.opendatahub.io/v1alpha1\nkind: MaaSModelRef\nmetadata: {name: m, namespace: w}\nspec: {}\n"
    )
    assert run(["up", "--world", str(path)]) == 2
    assert f"{path}, document 2: the server refuses MaaSModelRef w/m (fields spec.modelRef)" in said(capsys)
    assert not state_home.exists()


def test_a_missing_envoy_is_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("harness.platforms.machine.importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["up"]) == 3
    assert "there is no Envoy binary here" in said(capsys)


def test_the_real_model_server_without_vllm_or_gpu_is_one_sentence_and_3(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["up", "--backend", "vllm"]) == 3
    text = said(capsys)
    assert text.count("\n") == 1
    assert "--backend vllm needs the command vllm on the PATH" in text
    stub = tmp_path / "vllm"
    stub.write_text("#!/bin/sh\n")
    stub.chmod(0o755)
    assert run(["up", "--backend", "vllm"]) == 3
    assert "--backend vllm needs a GPU that nvidia-smi can see" in said(capsys)


def test_a_dry_run_of_the_embedded_target_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", "--dry-run"]) == 2
    assert "--dry-run prints the steps of --target kind" in said(capsys)


def test_down_of_an_unknown_run_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["down", "nobody"]) == 2
    assert "no detached platform is called nobody" in said(capsys)


def test_clean_with_a_broken_kubeconfig_is_usage(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("nothing here")
    assert run(["clean", "--kubeconfig", str(path)]) == 2
    assert f"{path} is not a kubeconfig" in said(capsys)


def test_doctor_says_what_can_run_here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["doctor", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["missing"]["embedded"] == []
    assert {finding["name"] for finding in document["findings"]} >= {
        "Python",
        "Envoy",
        "Docker daemon",
        "kind",
        "cgroups",
        "GPU",
    }


def test_doctor_s_exit_code_speaks_of_what_was_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["doctor", "--for", "kind"]) == 3
    text = capsys.readouterr().out
    assert "no   --target kind: missing Docker daemon, docker run --privileged, kind" in text
    assert "install kind 0.27 or newer" in text
