"""Tier access: the annotation `alpha.maas.opendatahub.io/tiers` becomes a Role and a RoleBinding for each tier it grants."""

import json
from collections.abc import Sequence

from harness.simulator.controllers.kserve.names import child_name
from harness.simulator.controllers.runtime.manifest import Manifest, annotations, owner_reference

ANNOTATION = "alpha.maas.opendatahub.io/tiers"
LABEL = "alpha.maas.opendatahub.io/tier"
KNOWN_TIERS = ("free", "premium", "enterprise")
RBAC = "rbac.authorization.k8s.io"


class MalformedTiersError(ValueError):
    """The annotation is no JSON list of known tiers; the text says what came and what was expected."""


def granted_tiers(service: Manifest, known: Sequence[str] = KNOWN_TIERS) -> tuple[str, ...]:
    """Tiers that may use the model: all for `[]`, the named ones for a list, none without the annotation.

    Raises MalformedTiersError for anything else, so that a typing error grants nothing.
    """
    text = annotations(service).get(ANNOTATION)
    if text is None:
        return ()
    expected = f'expected a JSON list of tiers of {", ".join(known)}, for example ["premium"], or [] for all'
    try:
        value = json.loads(text)
    except ValueError as error:
        raise MalformedTiersError(f"annotation {ANNOTATION} is {text!r}: {expected}") from error
    if not isinstance(value, list) or not all(isinstance(tier, str) for tier in value):
        raise MalformedTiersError(f"annotation {ANNOTATION} is {text!r}: {expected}")
    unknown = sorted(set(value) - set(known))
    if unknown:
        raise MalformedTiersError(f"annotation {ANNOTATION} names unknown tiers {', '.join(unknown)}: {expected}")
    return tuple(tier for tier in known if not value or tier in value)


def object_name(service: Manifest, tier: str) -> str:
    """Name of a tier's Role and RoleBinding."""
    return child_name(service["metadata"]["name"], f"-tier-{tier}")


def role(service: Manifest, tier: str) -> Manifest:
    """May POST to this one model."""
    rule = {
        "apiGroups": ["serving.kserve.io"],
        "resources": ["llminferenceservices"],
        "resourceNames": [service["metadata"]["name"]],
        "verbs": ["post"],
    }
    return {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": _metadata(service, tier), "rules": [rule]}


def role_binding(service: Manifest, tier: str) -> Manifest:
    """Gives the Role to the ServiceAccounts of the tier's namespace."""
    group = f"system:serviceaccounts:maas-default-gateway-tier-{tier}"
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": _metadata(service, tier),
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": object_name(service, tier)},
        "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": group}],
    }


def _metadata(service: Manifest, tier: str) -> Manifest:
    return {
        "name": object_name(service, tier),
        "namespace": service["metadata"]["namespace"],
        "labels": {
            "app.kubernetes.io/name": service["metadata"]["name"],
            "app.kubernetes.io/part-of": "llminferenceservice",
            LABEL: tier,
        },
        "ownerReferences": [owner_reference(service)],
    }
