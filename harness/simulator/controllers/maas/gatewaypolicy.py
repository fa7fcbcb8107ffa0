"""What guards a whole gateway: one AuthPolicy, a default that denies, and the route to maas-api."""

from collections.abc import Mapping
from typing import Any

from harness.simulator.controllers.maas.names import DEFAULT_TENANT, MANAGED_BY, MANAGER, Settings
from harness.simulator.controllers.runtime.manifest import Key, Manifest

OPEN_PREFIXES = ("/maas-api", "/v1/models", "/v1/subscriptions", "/v1/api-keys")
API_PORT = 8443
ISSUER_TTL_S = 300
"""Seconds for which an issuer's keys are used; what the API server defaults."""
JWT_SHAPE = 'request.headers.authorization.matches("^Bearer [^.]+[.][^.]+[.][^.]+$")'
GROUP = "gateway.networking.k8s.io"


def suffixed(name: str, tenant: str) -> str:
    """A name that the default tenant has plain and others with their own behind it."""
    return name if tenant == DEFAULT_TENANT else f"{name}-{tenant}"


def auth_policy_name(gateway: Key, tenant: str) -> str:
    """Name of a gateway's AuthPolicy."""
    return "maas-gateway-auth" if tenant == DEFAULT_TENANT else f"{gateway.name}-maas-auth"


def auth_policy(gateway: Key, tenant: str, settings: Settings, oidc: Mapping[str, Any] | None = None) -> Manifest:
    """The one AuthPolicy of a gateway. It names no user and no group: those are asked of maas-api with each request.

    `oidc`: the tenant's issuer, as its AITenant says it; tokens of no other issuer count on this gateway.
    """
    rules = {
        "authentication": _authentication(settings, oidc),
        "metadata": _metadata(f"https://{suffixed('maas-api', tenant)}.{settings.infra}.svc.cluster.local:{API_PORT}"),
        "authorization": _authorization(oidc),
        "response": _response(),
    }
    return {
        "apiVersion": "kuadrant.io/v1",
        "kind": "AuthPolicy",
        "metadata": described(auth_policy_name(gateway, tenant), gateway.namespace, "gateway-auth"),
        "spec": {
            "targetRef": _target(gateway),
            "defaults": {
                "when": [{"predicate": 'request.path != "/maas-api/health"'}],
                "rules": rules,
            },
        },
    }


def default_deny(gateway: Key, tenant: str) -> Manifest:
    """A limit of zero for every route of the gateway that has no policy of its own; what a model's policy replaces."""
    outside = " && ".join(f'!request.path.startsWith("{prefix}")' for prefix in OPEN_PREFIXES)
    limit = {
        "rates": [{"limit": 0, "window": "1m"}],
        "when": [{"predicate": outside}],
        "counters": [{"expression": "auth.identity.userid"}],
    }
    return {
        "apiVersion": "kuadrant.io/v1alpha1",
        "kind": "TokenRateLimitPolicy",
        "metadata": described(suffixed("gateway-default-deny", tenant), gateway.namespace, "gateway-default-deny"),
        "spec": {"targetRef": _target(gateway), "limits": {"deny-unsubscribed": limit}},
    }


def api_route(gateway: Key, tenant: str, settings: Settings) -> Manifest:
    """The route to maas-api. The order of its rules is contract: others refer to them by index."""
    backend = {"group": "", "kind": "Service", "name": suffixed("maas-api", tenant), "port": API_PORT, "weight": 1}
    rules: list[dict[str, Any]] = [
        {"matches": [{"path": {"type": "PathPrefix", "value": prefix}}], "backendRefs": [backend]}
        for prefix in ("/v1/models", "/v1/subscriptions", "/v1/api-keys", "/maas-api")
    ]
    rules[3]["filters"] = [
        {
            "type": "URLRewrite",
            "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}},
        }
    ]
    parent = {"group": GROUP, "kind": "Gateway", "name": gateway.name, "namespace": gateway.namespace}
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "HTTPRoute",
        "metadata": described(suffixed("maas-api-route", tenant), settings.infra, "maas-api"),
        "spec": {"parentRefs": [parent], "rules": rules},
    }


def _authentication(settings: Settings, oidc: Mapping[str, Any] | None) -> dict[str, Any]:
    bearer = 'request.headers.authorization.startsWith("Bearer sk-oai-")'
    issuers = (
        {
            "oidc-identities": {
                "priority": 1,
                "when": [{"predicate": f'"authorization" in request.headers && !{bearer} && {JWT_SHAPE}'}],
                "jwt": {"issuerUrl": oidc["issuerUrl"], "ttl": oidc.get("ttl", ISSUER_TTL_S)},
            }
        }
        if oidc
        else {}
    )
    return {
        "api-keys": {
            "priority": 0,
            "when": [{"predicate": f'"authorization" in request.headers && {bearer}'}],
            "plain": {"selector": "request.headers.authorization"},
        },
        **issuers,
        "openshift-identities": {
            "priority": 2,
            "when": [{"predicate": f'!("authorization" in request.headers && {bearer})'}],
            "credentials": {"authorizationHeader": {"prefix": "Bearer"}},
            "kubernetesTokenReview": {"audiences": [settings.audience]},
        },
    }


def _metadata(api: str) -> dict[str, Any]:
    return {
        "apiKeyValidation": {
            "priority": 0,
            "http": {
                "url": f"{api}/internal/v1/api-keys/validate",
                "method": "POST",
                "contentType": "application/json",
            },
        },
        "subscription-info": {
            "priority": 1,
            "http": {
                "url": f"{api}/internal/v1/subscriptions/select",
                "method": "POST",
                "contentType": "application/json",
            },
        },
    }


def _authorization(oidc: Mapping[str, Any] | None) -> dict[str, Any]:
    identity_headers = ("x-maas-username", "x-maas-group", "x-maas-key-id")
    spoofed = " || ".join(f'"{name}" in request.headers' for name in identity_headers)
    return {
        **(_issuer_rules(oidc) if oidc else {}),
        "deny-client-identity-headers": {
            "priority": 0,
            "patternMatching": {"patterns": [{"predicate": f"!({spoofed})"}]},
        },
        "auth-valid": {
            "priority": 0,
            "patternMatching": {"patterns": [{"predicate": "auth.metadata.apiKeyValidation.valid"}]},
        },
        "subscription-valid": {
            "priority": 0,
            "patternMatching": {"patterns": [{"predicate": '!has(auth.metadata["subscription-info"].error)'}]},
        },
    }


def _issuer_rules(oidc: Mapping[str, Any]) -> dict[str, Any]:
    """What holds for the issuer's tokens alone: issued to our client, and no group that could break out of a header."""
    safe = 'auth.identity.groups.all(name, name.matches("^[A-Za-z0-9:._/-]+$"))'
    return {
        "oidc-groups-safe": {
            "priority": 0,
            "when": [{"predicate": "has(auth.identity.groups)"}],
            "patternMatching": {"patterns": [{"predicate": safe}]},
        },
        "oidc-client-bound": {
            "priority": 1,
            "when": [{"predicate": "has(auth.identity.azp)"}],
            "patternMatching": {
                "patterns": [{"selector": "auth.identity.azp", "operator": "eq", "value": oidc["clientId"]}]
            },
        },
    }


def _response() -> dict[str, Any]:
    info = 'auth.metadata["subscription-info"]'
    identity = {
        "userid": {"expression": "auth.identity.username"},
        "selected_subscription_key": {
            "expression": f'{info}.namespace + "/" + {info}.name + "@" + {info}.resolvedModel',
        },
    }
    return {"success": {"filters": {"identity": {"json": {"properties": identity}, "priority": 0}}}}


def _target(gateway: Key) -> dict[str, str]:
    return {"group": GROUP, "kind": "Gateway", "name": gateway.name}


def described(name: str, namespace: str, component: str) -> dict[str, Any]:
    """Metadata of an object that guards a gateway."""
    labels = {
        MANAGED_BY: MANAGER,
        "app.kubernetes.io/part-of": "models-as-a-service",
        "app.kubernetes.io/component": component,
    }
    return {"name": name, "namespace": namespace, "labels": labels}
