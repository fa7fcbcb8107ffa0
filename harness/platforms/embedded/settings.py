"""What `--set` can choose about an embedded platform."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Self

from harness.outcome import UsageFault
from harness.platforms.embedded.bounds import BOUND_SETTINGS, EMBEDDED, bounds_in
from harness.platforms.embedded.quirks import chosen
from harness.platforms.issuer import ISSUER_SETTINGS, keycloak_instead
from harness.platforms.keycloak import TrustedKeycloak
from harness.platforms.platform import Admission, Parameters
from harness.platforms.settings import admission_model, require_known, seconds, switch

KubeApi = Literal["own", "envtest"]
COMPONENT: Final = "component."
"""`--set component.NAME=MODULE` runs another module in a component's place: how the self-test breaks one seam at a time."""
SETTINGS: Final[Mapping[str, str]] = {
    "admission": "how requests are admitted: check-then-report, reservation or estimate; default check-then-report",
    **BOUND_SETTINGS,
    "component.NAME": "a module to run in the place of this component",
    **ISSUER_SETTINGS,
    "kube-api": "own, or envtest: the real etcd and kube-apiserver of KUBEBUILDER_ASSETS; default own",
    "model-ready-bound": "seconds in which the world has to be in force; default 60, with --backend vllm 900",
    "quirks": "none, upstream, or requirement ids with commas between: weaknesses of upstream to repeat; default none",
    "tls": "true: use the gateway by HTTPS, with a certificate of the run's own CA; default false",
    "vllm-without-gpu": "true: let --backend vllm try a machine without a GPU (a vLLM built for CPUs)",
}
VLLM_BOUND_S: Final = 900.0
"""A real vLLM downloads and loads weights before it answers."""


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """The settings, read."""

    replaced: Mapping[str, str] = field(default_factory=dict)
    ready_bound_s: float = Parameters().ready_bound_s
    without_gpu: bool = False
    quirks: tuple[str, ...] = ()
    kube_api: KubeApi = "own"
    tls: bool = False
    admission: Admission = "check-then-report"
    keycloak: TrustedKeycloak | None = None
    bounds: Parameters = EMBEDDED

    @classmethod
    def read(cls, settings: Mapping[str, str], backend: str, run_id: str | None = None) -> Self:
        """Check and convert. Raises UsageFault for an unknown key or a value of another type."""
        replaced = {key.removeprefix(COMPONENT): text for key, text in settings.items() if key.startswith(COMPONENT)}
        require_known(
            {key: text for key, text in settings.items() if not key.startswith(COMPONENT)}, SETTINGS, "embedded"
        )
        usual = VLLM_BOUND_S if backend == "vllm" else Parameters().ready_bound_s
        bound_s = seconds(settings, "model-ready-bound", default=usual)
        return cls(
            replaced,
            bound_s,
            switch(settings, "vllm-without-gpu", default=False),
            chosen(settings.get("quirks", "")),
            kube_api(settings),
            switch(settings, "tls", default=False),
            admission_model(settings) or "check-then-report",
            keycloak_instead(settings, run_id),
            bounds_in(settings),
        )


def kube_api(settings: Mapping[str, str]) -> KubeApi:
    """Which Kubernetes API the platform stands on. Raises UsageFault for another word than own or envtest."""
    match settings.get("kube-api", "own"):
        case "own":
            return "own"
        case "envtest":
            return "envtest"
        case other:
            raise UsageFault(f"the setting kube-api is own or envtest, came {other!r}")
