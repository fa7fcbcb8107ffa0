"""GPU profiles: the guide's complete example, and profiles that are wrong."""

from pathlib import Path

import pytest
import yaml

from harness.outcome import UsageFault
from harness.platforms.data import data_folder
from harness.platforms.gpu import inference_service, load_profile, render

GUIDE = """
apiVersion: serving.kserve.io/v1alpha1
kind: LLMInferenceService
metadata:
  name: qwen3-model
  namespace: llm
spec:
  model:
    uri: hf://Qwen/Qwen3-0.6B
    name: Qwen/Qwen3-0.6B
  replicas: 1
  router:
    route: { }
    gateway:
      refs:
        - name: maas-default-gateway
          namespace: openshift-ingress
  template:
    containers:
      - name: main
        image: "vllm/vllm-openai:latest"
        resources:
          limits:
            nvidia.com/gpu: "1"
            memory: 12Gi
          requests:
            nvidia.com/gpu: "1"
            memory: 8Gi
"""


def test_the_small_profile_is_the_guide_s_complete_example() -> None:
    assert inference_service(load_profile(Path("qwen3-0.6b"))) == yaml.safe_load(GUIDE)


@pytest.mark.parametrize("name", sorted(path.stem for path in data_folder("gpu").glob("*.yaml")))
def test_every_shipped_profile_renders_a_governed_model(name: str) -> None:
    profile = load_profile(Path(name))
    service, reference, policy, subscription = render(profile)
    assert service["spec"]["template"]["containers"][0]["resources"]["limits"][profile.resources.gpu_resource] == str(
        profile.resources.gpus
    )
    assert reference["spec"]["modelRef"]["name"] == service["metadata"]["name"]
    named = {"name": profile.name, "namespace": profile.namespace}
    assert policy["spec"]["modelRefs"] == [named]
    assert {key: subscription["spec"]["modelRefs"][0][key] for key in named} == named


def test_an_unknown_profile_names_the_shipped_ones() -> None:
    with pytest.raises(UsageFault, match=r"there is no GPU profile h100; give a file, or one of .*qwen3-0\.6b"):
        load_profile(Path("h100"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"resources": {"memory_limit": "12 GB", "memory_request": "8Gi"}},
            "resources.memory_limit: String should match pattern",
        ),
        ({"uri": "https://huggingface.co/x"}, "uri: String should match pattern"),
        ({"replica": 2}, "replica: there is no such field"),
        ({"name": "Bad_Name"}, "name: String should match pattern"),
    ],
)
def test_a_wrong_profile_is_one_sentence(tmp_path: Path, change: dict[str, object], sentence: str) -> None:
    content = yaml.safe_load((data_folder("gpu") / "qwen3-0.6b.yaml").read_text()) | change
    path = tmp_path / "profile.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UsageFault) as fault:
        load_profile(path)
    assert str(path) in str(fault.value)
    assert sentence in str(fault.value)
    assert "\n" not in str(fault.value)
