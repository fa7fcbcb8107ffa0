"""All objects that a plan depends on, as they are at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.simulator.gateway.plan.gatewayapi import Key, Object

Objects = Mapping[Key, Object]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Objects by kind, then by namespace and name."""

    gateways: Objects = field(default_factory=dict)
    gateway_classes: Objects = field(default_factory=dict)
    routes: Objects = field(default_factory=dict)
    services: Objects = field(default_factory=dict)
    endpoint_slices: Objects = field(default_factory=dict)
    auth_policies: Objects = field(default_factory=dict)
    token_policies: Objects = field(default_factory=dict)
    telemetry_policies: Objects = field(default_factory=dict)
    namespaces: Objects = field(default_factory=dict)
    secrets: Objects = field(default_factory=dict)
    reference_grants: Objects = field(default_factory=dict)
    external_models: Objects = field(default_factory=dict)
    external_providers: Objects = field(default_factory=dict)
    legacy_external_models: Objects = field(default_factory=dict)
