"""Kubernetes objects as the API server sends them, as small as a test needs them."""

from typing import Any

CREATED = "2026-08-21T10:00:00Z"
NAMESPACE = "models-as-a-service"


def model(
    name: str, namespace: str = "llm", *, phase: str = "Ready", kind: str = "LLMInferenceService", **parts: Any
) -> dict[str, Any]:
    """A MaaSModelRef; `backend`, `alias`, `endpoint`, `hostname`, `annotations`, `created` as wanted."""
    served = parts.get("alias", "" if kind == "ExternalModel" else f"publishers/{namespace}/models/{name}")
    status = {"phase": phase, "endpoint": parts.get("endpoint", "https://gw.example")}
    if served:
        status["resolvedModelAlias"] = served
    if "hostname" in parts:
        status["httpRouteHostnames"] = [parts["hostname"]]
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "creationTimestamp": parts.get("created", CREATED),
            "annotations": parts.get("annotations", {}),
        },
        "spec": {"modelRef": {"kind": kind, "name": parts.get("backend", name)}},
        "status": status,
    }


def subscription(
    name: str,
    models: list[str],
    *,
    users: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
    phase: str = "Active",
    **parts: Any,
) -> dict[str, Any]:
    """A MaaSSubscription of models of namespace llm (or `namespace/name`)."""
    metadata = {"name": name, "namespace": NAMESPACE, "annotations": parts.get("annotations", {})}
    if "deleted" in parts:
        metadata["deletionTimestamp"] = parts["deleted"]
    limits = parts.get("limits", [{"limit": 100, "window": "1m"}])
    references = [
        dict(zip(("namespace", "name"), text.split("/") if "/" in text else ("llm", text), strict=True))
        for text in models
    ]
    for reference in references:
        reference["tokenRateLimits"] = limits
        if "rate" in parts:
            reference["billingRate"] = {"perToken": parts["rate"]}
    spec: dict[str, Any] = {
        "owner": {"users": list(users), "groups": [{"name": group} for group in groups]},
        "modelRefs": references,
        "priority": parts.get("priority", 0),
    }
    if "token_metadata" in parts:
        spec["tokenMetadata"] = parts["token_metadata"]
    ready = parts.get("limited", [reference["name"] for reference in references])
    statuses = [{"name": f"maas-trlp-{item}", "namespace": "llm", "model": item, "ready": True} for item in ready]
    return {
        "metadata": metadata,
        "spec": spec,
        "status": {"phase": phase, "tokenRateLimitStatuses": statuses} if phase else {},
    }


def policy(
    name: str, models: list[str], *, users: tuple[str, ...] = (), groups: tuple[str, ...] = ()
) -> dict[str, Any]:
    """A MaaSAuthPolicy of models of namespace llm (or `namespace/name`)."""
    references = [
        dict(zip(("namespace", "name"), text.split("/") if "/" in text else ("llm", text), strict=True))
        for text in models
    ]
    return {
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "modelRefs": references,
            "subjects": {"users": list(users), "groups": [{"name": group} for group in groups]},
        },
    }
