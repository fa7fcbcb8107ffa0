"""Is the model registered and governed, and is what governs it in force?"""

from harness.diagnosis import mending
from harness.diagnosis.case import Case
from harness.diagnosis.sight import called, doomed, identity, lists, not_true, phase, unreconciled, words
from harness.diagnosis.step import Step, fine
from harness.kube.manifest import Manifest, condition

MAAS = "maas.opendatahub.io/v1alpha1"


def registered(case: Case) -> Step | None:
    """A MaaSModelRef points at the model: without one, MaaS does not know it."""
    if case.reference is not None:
        return fine("registered", f"by {called(case.reference)}")
    assert case.backend is not None, "a case without a model ends at its first step"
    namespace, name = identity(case.backend)
    missing = {
        "apiVersion": MAAS,
        "kind": "MaaSModelRef",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"modelRef": {"kind": case.backend_kind, "name": name}},
    }
    return Step(
        "registered", "wrong", f"no MaaSModelRef points at {called(case.backend)}, so MaaS does not list or serve it",
        f"MaaSModelRef {namespace}/{name}", "spec.modelRef", mending.apply(missing),
    )  # fmt: skip


def governed(case: Case) -> Step | None:
    """At least one subscription and one access policy of a tenant name the model: both gates exist."""
    model = case.reference
    if model is None:
        return None
    for kind, what, person in (
        ("MaaSSubscription", "subscription offers", "owner"),
        ("MaaSAuthPolicy", "access policy opens", "subjects"),
    ):
        naming = case.sight.having(kind, lambda item: lists(item, model) and not doomed(item))
        places = case.sight.tenant_namespaces()
        if any(identity(item)[0] in places for item in naming):
            continue
        if naming:
            return Step(
                "governed", "wrong", f"it lies outside the tenants' namespaces ({', '.join(sorted(places))}), where nobody reads it",
                called(naming[0]), "metadata.namespace", mending.apply(_moved(naming[0], min(places))),
            )  # fmt: skip
        return Step(
            "governed", "wrong", f"no {what} the model", f"{kind} {min(places)}/…", "spec.modelRefs",
            _joining(case, model, kind, person),
        )  # fmt: skip
    return fine("governed", "a subscription and an access policy name it")


def _joining(case: Case, model: Manifest, kind: str, person: str) -> str:
    """Create the missing object for the caller; where none was named, for a group that the person has to name."""
    namespace, name = identity(model)
    people = {"users": [case.user]} if case.user else {"groups": [{"name": "GROUP"}]}
    ref: dict[str, object] = {"name": name, "namespace": namespace}
    if kind == "MaaSSubscription":
        ref["tokenRateLimits"] = [{"limit": 10000, "window": "1h"}]
    place = min(case.sight.tenant_namespaces())
    suffix = "subscription" if kind == "MaaSSubscription" else "access"
    return mending.apply(
        {
            "apiVersion": MAAS,
            "kind": kind,
            "metadata": {"name": f"{name}-{suffix}", "namespace": place},
            "spec": {person: people, "modelRefs": [ref]},
        }
    )


def _moved(manifest: Manifest, namespace: str) -> Manifest:
    return {
        "apiVersion": manifest["apiVersion"],
        "kind": manifest["kind"],
        "metadata": {"name": identity(manifest)[1], "namespace": namespace},
        "spec": manifest["spec"],
    }


def published(case: Case) -> Step | None:
    """The MaaS controller has seen the registration and calls it Ready: only then it is listed."""
    model = case.reference
    if model is None:
        return None
    stale = unreconciled(model)
    if stale:
        return Step(
            "published", "wrong", f"the MaaS controller has not reconciled it: {stale}", called(model),
            "status.conditions[Ready]", mending.wake_controller(case.sight, "maas-controller"),
        )  # fmt: skip
    if phase(model) != "Ready":
        problem = not_true(model, ("GovernanceAttached", "RuntimeReady", "Ready")) or ("Ready", "no reason given")
        return Step(
            "published", "wrong", f"its phase is {phase(model) or 'empty'}: {problem[1]}", called(model),
            f"status.conditions[{problem[0]}]", mending.look(model),
        )  # fmt: skip
    unique = condition(model, "ModelIdentityUnique")
    if unique is not None and unique.get("status") == "False":
        return Step(
            "published", "wrong", f"another model has the same name: {words(unique)}", called(model),
            "status.conditions[ModelIdentityUnique]", mending.look(model),
        )  # fmt: skip
    return fine("published", f"Ready as {(model.get('status') or {}).get('resolvedModelAlias') or identity(model)[1]}")


def access_enforced(case: Case) -> Step | None:
    """The gateway's own policy is in force, and no other one stands over the model's route."""
    foreign = case.sight.having("AuthPolicy", lambda item: _targets(item) == ("HTTPRoute", *_route_place(case)))
    if foreign:
        return Step(
            "access enforced", "wrong", "it stands over the model's route, in the place of MaaS' own policy", called(foreign[0]),
            "spec.targetRef", f"kubectl delete authpolicies.kuadrant.io {identity(foreign[0])[1]} -n {identity(foreign[0])[0]}",
        )  # fmt: skip
    for place in case.sight.gateways():
        for policy in case.sight.having("AuthPolicy", lambda item, at=place: _targets(item) == ("Gateway", *at)):  # type: ignore[misc]
            problem = _not_in_force(policy)
            if problem:
                return Step(
                    "access enforced",
                    "wrong",
                    problem[1],
                    called(policy),
                    f"status.conditions[{problem[0]}]",
                    mending.look(policy),
                )
            return fine("access enforced", "accepted and enforced", called(policy))
    return Step(
        "access enforced", "wrong", "the gateway has no AuthPolicy, so nobody asks who calls",
        f"AuthPolicy {case.sight.gateways()[0][0]}/maas-gateway-auth", "spec.targetRef",
        mending.wake_controller(case.sight, "maas-controller"),
    )  # fmt: skip


def limits_enforced(case: Case) -> Step | None:
    """The model's token limits are in force, and every subscription that offers it is among them."""
    model = case.reference
    if model is None:
        return None
    found = case.sight.having("TokenRateLimitPolicy", lambda item: _targets(item) == ("HTTPRoute", *_route_place(case)))
    if not found:
        namespace, name = identity(model)
        return Step(
            "limits enforced", "wrong", "the model has no token limits: every call is refused, or none is counted",
            f"TokenRateLimitPolicy {namespace}/maas-trlp-{name}", "spec.limits",
            mending.wake_controller(case.sight, "maas-controller"),
        )  # fmt: skip
    problem = _not_in_force(found[0])
    if problem:
        return Step(
            "limits enforced",
            "wrong",
            problem[1],
            called(found[0]),
            f"status.conditions[{problem[0]}]",
            mending.look(found[0]),
        )
    return _all_limited(case, model, found)


def _all_limited(case: Case, model: Manifest, policies: list[Manifest]) -> Step:
    """A limit that the controller refused leaves its subscription without one, though both say that all is well."""
    limited = " ".join(str(rule) for policy in policies for rule in (policy["spec"].get("limits") or {}).values())
    for subscription in case.sight.having(
        "MaaSSubscription", lambda item: lists(item, model) and phase(item) == "Active"
    ):
        key = f"{'/'.join(identity(subscription))}@{'/'.join(identity(model))}"
        if key not in limited and identity(subscription)[0] in case.sight.tenant_namespaces():
            return Step(
                "limits enforced", "wrong", f"{called(policies[0])} has no limit for it: its users are not limited",
                called(subscription), "spec.modelRefs[].tokenRateLimits", mending.look(subscription),
            )  # fmt: skip
    return fine("limits enforced", "accepted and enforced", called(policies[0]))


def _not_in_force(policy: Manifest) -> tuple[str, str] | None:
    for kind in ("Accepted", "Enforced"):
        stale = unreconciled(policy, kind)
        if stale:
            return kind, f"the gateway has not taken it over: {stale}"
    problem = not_true(policy, ("Accepted", "Enforced"))
    return (problem[0], f"{problem[0]} is not True: {problem[1]}") if problem else None


def _targets(policy: Manifest) -> tuple[str, str, str]:
    target = policy["spec"].get("targetRef") or {}
    return str(target.get("kind")), identity(policy)[0], str(target.get("name"))


def _route_place(case: Case) -> tuple[str, str]:
    status = (case.reference or {}).get("status") or {}
    namespace, name = case.place
    return str(status.get("httpRouteNamespace") or namespace), str(
        status.get("httpRouteName") or f"{name}-kserve-route"
    )
