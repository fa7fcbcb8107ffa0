"""Why a cluster does not meet a need: one sentence each, and where a person can mend it, how.

Four kinds of reasons, the later the stronger: what is not installed, what the kubeconfig's identity may not do, what nobody told us, and
what nobody allowed.
"""

from collections.abc import Mapping
from typing import Final

from harness.kube.cluster import Cluster
from harness.platforms import inventory
from harness.platforms.deployments import NOTHING_FOUND, component_deployments
from harness.platforms.issuer import NO_REAL_ONE
from harness.platforms.platform import Endpoints, Namespaces, Need, Stack
from harness.platforms.rights import refusals
from harness.platforms.settings import switch

SCRAPES: Final[Mapping[Need, str]] = {"gateway-metrics": "gateway", "authorizer-metrics": "authorizer"}
"""Needs of series, and the component that tells them."""
ADMIN_URL_ANNOTATION: Final = "maas-conformance.dev/admin-url"
"""The mock model server's Pods carry it: where their journal is read."""
UNTOLD: Final[Mapping[Need, str]] = {
    "clock": "time really passes here; name the reference limiter with --set limiter-admin=URL to advance its clock",
    "metrics": "no metrics endpoint is known; name it with --set metrics=URL",
    "api-metrics": "the management API's series are not known; name them with --set api-metrics=URL",
    **{
        need: f"no metrics endpoint of the {name} is known; name it with --set {need}=URL"
        for need, name in SCRAPES.items()
    },
    "standard-gateway": "no second Gateway with an address was found; name it with --set standard-gateway=URL",
    "oidc": "no issuer is known that gives tokens to any user; name one that the default tenant trusts with --set oidc-issuer=URL and its "
    "keycloak-admin-client, or oidc-issuer-admin where it is the reference platform's",
    "any-token": f"{NO_REAL_ONE}; the reference platform's issuer does, where --set oidc-issuer-admin=URL names it",
}
UNREACHED: Final[Mapping[Need, str]] = {"instances": "Services of the cluster's inside are not reached from outside"}


def reasons(
    cluster: Cluster, places: Namespaces, endpoints: Endpoints, settings: Mapping[str, str], stack: Stack
) -> dict[Need, str]:
    """Why a need is not met, by need; what is not among them is provided. Raises UsageFault for a switch that is none."""
    return {
        **_uninstalled(cluster, places),
        **refusals(cluster, places),
        **_without_journals(cluster, places),
        **_untold(endpoints, settings),
        **_unallowed(settings, stack),
        **UNREACHED,
    }


def _uninstalled(cluster: Cluster, places: Namespaces) -> dict[Need, str]:
    found: dict[Need, str] = {}
    if inventory.model_service_version(cluster) is None:
        found["models"] = "the cluster serves no LLMInferenceService, so KServe is not installed"
    if not cluster.knows(*inventory.KUADRANT_TOKENS):
        found["kuadrant"] = (
            "the cluster serves no TokenRateLimitPolicy of kuadrant.io, so limits take another form here"
        )
    if not cluster.knows("inference.opendatahub.io/v1alpha1", "ExternalProvider"):
        found["providers"] = "the cluster serves no ExternalProvider of inference.opendatahub.io"
    if not component_deployments(cluster, places):
        found["components"] = NOTHING_FOUND
    return found


def _without_journals(cluster: Cluster, places: Namespaces) -> dict[Need, str]:
    pods = inventory.objects_or_none(cluster, "v1", "Pod", namespace=places.models)
    if any(ADMIN_URL_ANNOTATION in (pod["metadata"].get("annotations") or {}) for pod in pods):
        return {}
    return {
        "backends": "the model servers keep no journal: their Pods lack the annotation of the mock",
        "providers": "a provider's stand-in is a model server that keeps a journal, and none runs here",
    }


def _untold(endpoints: Endpoints, settings: Mapping[str, str]) -> dict[Need, str]:
    told: dict[Need, str | None] = {
        "clock": endpoints.limiter_admin,
        "metrics": endpoints.metrics,
        "api-metrics": endpoints.api_metrics,
        **{need: endpoints.scrapes.get(name) for need, name in SCRAPES.items()},
        "standard-gateway": endpoints.standard_gateway,
        "oidc": endpoints.issuer and (endpoints.issuer_admin or settings.get("keycloak-admin-client")),
        "any-token": endpoints.issuer_admin,
    }
    found = {need: sentence for need, sentence in UNTOLD.items() if told[need] is None}
    if not endpoints.gateway.startswith("https://"):
        found["tls"] = "the gateway is reached by plain HTTP, as development platforms are"
    return found


def _unallowed(settings: Mapping[str, str], stack: Stack) -> dict[Need, str]:
    found: dict[Need, str] = {}
    if not switch(settings, "disposable", default=False):
        found["disposable"] = found["components"] = (
            "others may use this cluster; allow checks to harm it with --set disposable=true"
        )
    if not switch(settings, "tiers", default=stack == "reference"):
        found["tiers"] = "no object says whether access by tiers is in use here; if it is, say so with --set tiers=true"
    if not switch(settings, "tenants", default=False):
        found["tenants"] = (
            "no object says whether a Gateway that is made here is reached from outside; if it is, say so with --set tenants=true"
        )
    return found
