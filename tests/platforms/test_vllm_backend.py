"""`--backend vllm` with stand-ins for vLLM and nvidia-smi on the PATH: the real ones need a GPU."""

import os
import sys
from pathlib import Path

import httpx
import pytest

from harness.kube.access import service_account_token
from harness.kube.cluster import Cluster
from harness.kube.manifest import Ref
from harness.outcome import UsageFault
from harness.platforms.embedded.settings import EmbeddedSettings
from harness.platforms.target import TargetOptions, open_target


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a GPU and a `vllm` that answers as one (it is the mock) and writes down how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    journal = tmp_path / "vllm.journal"
    scripts = {
        "vllm": f'#!/bin/sh\necho "$@" >> {journal}\nexec {sys.executable} -m mock_vllm "$@"\n',
        "nvidia-smi": '#!/bin/sh\necho "NVIDIA H100 80GB HBM3, 81559 MiB"\n',
    }
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return journal


def test_a_profile_s_model_is_served_by_vllm_behind_the_gateway(machine: Path) -> None:
    with open_target(TargetOptions(backend="vllm"), lambda line: None) as platform:
        assert [model.name for model in platform.models] == ["qwen3-model"]
        assert not platform.provides["backends"]
        assert platform.reasons["backends"] == "a real vLLM keeps no journal of what it served"
        assert "serve Qwen/Qwen3-0.6B --served-model-name" in machine.read_text()
        assert platform.kubeconfig is not None
        with Cluster.connect(platform.kubeconfig) as cluster:
            cluster.apply(
                {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "ann", "namespace": "default"}}
            )
            token = service_account_token(cluster, Ref("v1", "ServiceAccount", "ann", "default"))
        model = platform.models[0]
        answer = httpx.post(
            f"{platform.endpoints.gateway}{model.path}/v1/completions",
            headers={"Authorization": f"Bearer {token}"},
            json={"model": model.served_name, "prompt": "Hello", "max_tokens": 3},
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["usage"]["completion_tokens"] == 3


def test_a_real_model_server_gets_time_to_load_its_weights() -> None:
    assert EmbeddedSettings.read({}, "vllm").ready_bound_s == 900
    assert EmbeddedSettings.read({}, "mock").ready_bound_s == 60
    assert EmbeddedSettings.read({"model-ready-bound": "30"}, "vllm").ready_bound_s == 30


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"model-ready-bound": "soon"},
            "model-ready-bound is a number of seconds above 0, at most 86400 (a day), came 'soon'",
        ),
        ({"model-ready-bound": "0"}, "model-ready-bound is a number of seconds above 0"),
        ({"vllm-without-gpu": "perhaps"}, "vllm-without-gpu is true or false, came 'perhaps'"),
        ({"vllm-without-gpus": "true"}, "did you mean vllm-without-gpu?"),
    ],
)
def test_a_wrong_setting_is_one_sentence(settings: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageFault) as fault:
        EmbeddedSettings.read(settings, "mock")
    assert sentence in str(fault.value)
