"""GPU models for clusters: a profile rendered to the setup guide's complete example, and its access policy and subscription."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from harness.kube.apply import apply_manifests
from harness.kube.cluster import Cluster
from harness.kube.labels import run_labels
from harness.kube.manifest import Manifest
from harness.kube.wait import Bound
from harness.outcome import UsageFault
from harness.platforms.data import data_folder
from harness.platforms.inventory import MAAS, MAAS_GATEWAY
from harness.platforms.readiness import wait_until_in_force
from harness.platforms.strict_file import read_strict
from harness.platforms.target import Progress

Quantity = Annotated[
    str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|[kMGTPE]i?)?$", description="a Kubernetes quantity, e.g. 12Gi")
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Resources(_Strict):
    """What the container asks for and may use."""

    gpu_resource: str = Field("nvidia.com/gpu", pattern=r"^[a-z0-9.-]+/[a-z0-9.-]+$")
    gpus: int = Field(1, ge=1)
    memory_limit: Quantity
    memory_request: Quantity
    cpu_request: Quantity | None = None


class Gateway(_Strict):
    """The gateway that the model is routed through."""

    name: str = MAAS_GATEWAY
    namespace: str = "openshift-ingress"


class GpuProfile(_Strict):
    """A model on GPUs, as a file of fixtures/gpu says it."""

    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=52, description="of every object")
    namespace: str = "llm"
    uri: str = Field(pattern=r"^(hf|s3|oci|pvc)://.+", description="where the weights come from")
    model: str = Field(min_length=1, description="the model's name, as vLLM serves it")
    image: str = Field(min_length=1)
    arguments: tuple[str, ...] = ()
    replicas: int = Field(1, ge=1)
    resources: Resources
    gateway: Gateway = Gateway()
    subscription_namespace: str = "models-as-a-service"
    groups: tuple[str, ...] = ("system:authenticated",)
    tokens_per_minute: int = Field(100_000, ge=1)
    node_selector: dict[str, str] = Field(default_factory=dict)


def load_profile(profile: Path) -> GpuProfile:
    """Read a profile file, or a shipped one by its bare name. Raises UsageFault naming the shipped ones when there is none."""
    if profile.exists():
        return read_strict(profile, GpuProfile, "GPU profile")
    shipped = sorted(path.stem for path in data_folder("gpu").glob("*.yaml"))
    if str(profile) in shipped:
        return read_strict(data_folder("gpu") / f"{profile}.yaml", GpuProfile, "GPU profile")
    raise UsageFault(f"there is no GPU profile {profile}; give a file, or one of {', '.join(shipped)}")


def render(profile: GpuProfile) -> list[Manifest]:
    """The model, its registration, and who may use it how much."""
    return [inference_service(profile), *_governance(profile)]


def inference_service(profile: GpuProfile) -> Manifest:
    """The LLMInferenceService of the guide's complete example, with this profile's values."""
    resources = profile.resources
    gpu = {resources.gpu_resource: str(resources.gpus)}
    requests = {**gpu, "memory": resources.memory_request} | (
        {"cpu": resources.cpu_request} if resources.cpu_request else {}
    )
    container: dict[str, Any] = {
        "name": "main",
        "image": profile.image,
        "resources": {"limits": {**gpu, "memory": resources.memory_limit}, "requests": requests},
    }
    if profile.arguments:
        container["args"] = list(profile.arguments)
    template: dict[str, Any] = {"containers": [container]}
    if profile.node_selector:
        template["nodeSelector"] = dict(profile.node_selector)
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "LLMInferenceService",
        "metadata": {"name": profile.name, "namespace": profile.namespace},
        "spec": {
            "model": {"uri": profile.uri, "name": profile.model},
            "replicas": profile.replicas,
            "router": {"route": {}, "gateway": {"refs": [profile.gateway.model_dump()]}},
            "template": template,
        },
    }


def _governance(profile: GpuProfile) -> list[Manifest]:
    def maas(kind: str, namespace: str, spec: dict[str, Any]) -> Manifest:
        return {
            "apiVersion": MAAS,
            "kind": kind,
            "metadata": {"name": profile.name, "namespace": namespace},
            "spec": spec,
        }

    reference = {"name": profile.name, "namespace": profile.namespace}
    groups = [{"name": group} for group in profile.groups]
    limits = [{"limit": profile.tokens_per_minute, "window": "1m"}]
    home = profile.subscription_namespace
    return [
        maas("MaaSModelRef", profile.namespace, {"modelRef": {"kind": "LLMInferenceService", "name": profile.name}}),
        maas("MaaSAuthPolicy", home, {"modelRefs": [reference], "subjects": {"groups": groups}}),
        maas(
            "MaaSSubscription",
            home,
            {"owner": {"groups": groups}, "modelRefs": [{**reference, "tokenRateLimits": limits}]},
        ),
    ]


def deploy_profile(cluster: Cluster, file: Path, run_id: str, bound: Bound, progress: Progress) -> None:
    """Apply a profile's objects under this run's labels and wait until the model serves and is governed."""
    profile = load_profile(file)
    manifests = render(profile)
    apply_manifests(cluster, manifests, run_labels(run_id))
    progress(
        f"waiting for the model {profile.namespace}/{profile.name} ({profile.image}, {profile.resources.gpus} GPUs)"
    )
    wait_until_in_force(cluster, manifests, bound)
