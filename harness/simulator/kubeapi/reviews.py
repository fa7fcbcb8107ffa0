"""Token and access reviews: kinds that are answered, never stored."""

from datetime import UTC, datetime
from typing import Any

from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.identity import DEFAULT_AUDIENCE, TokenError, User
from harness.simulator.kubeapi.rbac import Attributes, authorize, rules_for
from harness.simulator.kubeapi.resources import Resource
from harness.simulator.kubeapi.status import Cause, bad_request, invalid, not_found
from harness.simulator.kubeapi.validation import invalid_value, required

Json = dict[str, Any]
_SHORTEST, _LONGEST, _DEFAULT = 600, 1 << 32, 3600


def answer(cluster: Cluster, resource: Resource, body: Json, user: User, namespace: str) -> Json:
    """Fill in the status of a review."""
    spec = body.get("spec") or {}
    match resource.kind:
        case "TokenReview":
            body["status"] = _token_review(cluster, spec)
        case "SelfSubjectReview":
            body["status"] = {"userInfo": user.info()}
        case "SelfSubjectRulesReview":
            body["status"] = _rules_review(cluster, user, spec)
        case "SelfSubjectAccessReview":
            body["status"] = _access(cluster, user, spec, resource)
        case _:
            body["status"] = _access(cluster, _subject(spec, resource), _localised(spec, resource, namespace), resource)
    body.setdefault("metadata", {})
    body["metadata"].setdefault("creationTimestamp", None)
    return body


def _token_review(cluster: Cluster, spec: Json) -> Json:
    token = spec.get("token")
    if not token:
        raise bad_request("token is required for TokenReview in authentication")
    audiences = spec.get("audiences") or [DEFAULT_AUDIENCE]
    try:
        user, shared = cluster.identities.verify(token, audiences)
    except TokenError as error:
        return {"user": {}, "error": str(error)}
    return {"authenticated": True, "user": user.info(), "audiences": shared}


def _subject(spec: Json, resource: Resource) -> User:
    if not spec.get("user") and not spec.get("groups"):
        causes = [required("spec.user", "at least one of user or group must be specified")]
        raise invalid(resource.kind, resource.group, "", causes)
    extra = {key: tuple(values) for key, values in (spec.get("extra") or {}).items()}
    return User(spec.get("user") or "", tuple(spec.get("groups") or ()), spec.get("uid") or "", extra)


def _localised(spec: Json, resource: Resource, namespace: str) -> Json:
    if resource.kind == "LocalSubjectAccessReview":
        attributes = spec.get("resourceAttributes") or {}
        if attributes.get("namespace") != namespace:
            detail = f"must match metadata.namespace: {namespace}"
            causes = [invalid_value("spec.resourceAttributes.namespace", attributes.get("namespace", ""), detail)]
            raise invalid(resource.kind, resource.group, "", causes)
    return spec


def _access(cluster: Cluster, user: User, spec: Json, resource: Resource) -> Json:
    on_resource, on_path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (on_resource is None) == (on_path is None):
        detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise invalid(resource.kind, resource.group, "", [invalid_value("spec.resourceAttributes", None, detail)])
    if on_resource is not None:
        asked = Attributes(
            verb=on_resource.get("verb", ""),
            group=on_resource.get("group", ""),
            resource=on_resource.get("resource", ""),
            subresource=on_resource.get("subresource", ""),
            namespace=on_resource.get("namespace", ""),
            name=on_resource.get("name", ""),
        )
    elif on_path is not None:
        asked = Attributes(verb=on_path.get("verb", ""), path=on_path.get("path", "") or "/")
    decision = authorize(cluster, user, asked)
    return {"allowed": decision.allowed, **({"reason": decision.reason} if decision.reason else {})}


def _rules_review(cluster: Cluster, user: User, spec: Json) -> Json:
    resources: list[Json] = []
    paths: list[Json] = []
    masters = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, {"verbs": ["*"], "nonResourceURLs": ["*"]}]
    own = (
        masters
        if "system:masters" in user.groups
        else [rule for rule, _ in rules_for(cluster, user, spec.get("namespace", ""))]
    )
    for rule in own:
        (paths if rule.get("nonResourceURLs") else resources).append(rule)
    return {"resourceRules": resources, "nonResourceRules": paths, "incomplete": False}


def issue_token(cluster: Cluster, namespace: str, name: str, body: Json) -> Json:
    """TokenRequest: a token for a ServiceAccount, bound to audiences, expiry and perhaps a Pod or Secret."""
    account = cluster.store.get(("", "serviceaccounts"), namespace, name)
    if account is None:
        raise not_found("serviceaccounts", "", name)
    spec = body.get("spec") or {}
    audiences = spec.get("audiences") or [DEFAULT_AUDIENCE]
    seconds = spec.get("expirationSeconds") or _DEFAULT
    causes: list[Cause] = []
    if seconds < _SHORTEST:
        causes.append(
            invalid_value("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
        )
    if seconds > _LONGEST:
        causes.append(
            invalid_value("spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")
        )
    if causes:
        raise invalid("TokenRequest", "authentication.k8s.io", "", causes)
    token, expires = cluster.identities.issue(
        namespace, name, account.uid, audiences, seconds, _bound(cluster, namespace, spec)
    )
    moment = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "creationTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": spec.get("boundObjectRef")},
        "status": {"token": token, "expirationTimestamp": moment},
    }


def _bound(cluster: Cluster, namespace: str, spec: Json) -> Json:
    reference = spec.get("boundObjectRef")
    if not reference:
        return {}
    buckets = {"Pod": "pods", "Secret": "secrets"}
    kind = reference.get("kind")
    if kind not in buckets:
        detail = (
            f"cannot bind token for serviceaccount to object of type {reference.get('apiVersion', '')}, Kind={kind}"
        )
        raise bad_request(detail)
    entry = cluster.store.get(("", buckets[kind]), namespace, reference.get("name", ""))
    if entry is None:
        raise not_found(buckets[kind], "", reference.get("name", ""))
    return {kind.lower(): {"name": entry.name, "uid": entry.uid}}
