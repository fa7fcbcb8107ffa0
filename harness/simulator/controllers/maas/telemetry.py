"""The TelemetryPolicy of a tenant's gateway: which labels the token metrics carry, as the tenant's configuration says.

A tenant that says nothing has the documented default. Upstream makes no policy then, and its metrics have no label at all: nobody
could tell whose tokens they count.
"""

from collections.abc import Mapping
from typing import Any

from harness.simulator.controllers.maas.gatewaypolicy import GROUP, described, suffixed
from harness.simulator.controllers.runtime.manifest import Key, Manifest

INFO = "auth.identity.subscription_info"
ALWAYS = {
    "subscription": "auth.identity.selected_subscription",
    "cost_center": f'has({INFO}.costCenter) ? {INFO}.costCenter : ""',
}
SWITCHED = {
    "captureOrganization": ("organization_id", f'has({INFO}.organizationId) ? {INFO}.organizationId : ""', True),
    "captureUser": ("user", "auth.identity.userid", False),
    "captureGroup": ("group", "auth.identity.group", False),
    "captureModelUsage": ("model", 'responseBodyJSON("/model")', True),
}
"""Switch of `spec.telemetry.metrics` to the label, its expression, and whether it is on when nothing is said."""


def telemetry_name(tenant: str) -> str:
    """Name of a tenant's policy."""
    return suffixed("maas-telemetry", tenant)


def telemetry_policy(gateway: Key, tenant: str, telemetry: Mapping[str, Any]) -> Manifest | None:
    """The policy object; None where the tenant has switched telemetry off."""
    if telemetry.get("enabled") is False:
        return None
    switches = telemetry.get("metrics") or {}
    labels = dict(ALWAYS)
    for switch, (label, expression, usually) in SWITCHED.items():
        if switches.get(switch, usually):
            labels[label] = expression
    return {
        "apiVersion": "extensions.kuadrant.io/v1alpha1",
        "kind": "TelemetryPolicy",
        "metadata": described(telemetry_name(tenant), gateway.namespace, "telemetry"),
        "spec": {
            "targetRef": {"group": GROUP, "kind": "Gateway", "name": gateway.name},
            "metrics": {"default": {"labels": labels}},
        },
    }
