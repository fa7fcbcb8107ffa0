"""What shows on a whole platform whether it repeats a weakness of upstream: a probe a row, with its safe and its weak answer.

A probe makes its own world. Waits are for what is the same on both platforms, so the answer itself is asked for once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from harness.engine.failure import NotReady
from harness.kube.manifest import Manifest, Ref
from harness.kube.wait import Expectation
from harness.platforms.platform import ModelHandle
from harness.world.governance import MAAS, Rate
from harness.world.oidc import OidcToken
from harness.world.patience import until
from harness.world.world import CACHES, World

SLICE = Ref("discovery.k8s.io/v1", "EndpointSlice", "maas-api-embedded", "odh-ai-gateway-infra")
ROUTE = "gateway.networking.k8s.io/v1"
TENANT_LABEL = "maas.opendatahub.io/managed-by-aitenant"


@dataclass(frozen=True)
class Probe:
    """`ask` answers `safe` on a platform without the quirk and `weak` on one with it."""

    ask: Callable[[World], Any]
    safe: Any
    weak: Any


def absent(world: World) -> ModelHandle:
    name = f"{world.name}-absent"
    return ModelHandle(name=name, namespace="llm", model_id=name, path=f"/llm/{name}", served_name=name)


def maas_api(world: World) -> str:
    """The management API as the authorizer reaches it, without the gateway."""
    found = world.estate.cluster.get(SLICE)
    assert found is not None
    return f"http://{found['metadata']['annotations']['maas-conformance.dev/address']}:{found['ports'][0]['port']}"


def registered(world: World, name: str, backend: str, namespace: str = "llm") -> None:
    """A registration that says nothing of a backend of its own."""
    world.declare(
        {
            "apiVersion": MAAS,
            "kind": "MaaSModelRef",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"modelRef": {"kind": "LLMInferenceService", "name": backend}},
        }
    )


def provider_model(world: World, name: str, target: str) -> None:
    spec = {
        "provider": "openai",
        "targetModel": target,
        "endpoint": "provider.example",
        "credentialRef": {"name": "key"},
    }
    world.declare(
        {
            "apiVersion": MAAS,
            "kind": "ExternalModel",
            "metadata": {"name": name, "namespace": "llm"},
            "spec": spec,
        }
    )


def listing_beyond_policies(world: World) -> bool:
    who = world.identity()
    subscription = world.subscription(who, models=[world.model(0), world.model(1)])
    world.policy(who, models=world.model(1))
    body = world.subscriber(who, subscription).models().json()
    listed = {item["id"] for item in body["data"]}
    assert world.model(1).model_id in listed
    return world.model(0).model_id in listed


def failed_subscription(world: World) -> int | None:
    who = world.identity()
    subscription = world.subscription(who, models=absent(world), awaited=False)
    caller = world.person(who)
    world.settle()
    world.await_phase(subscription.ref, "Failed")
    answer, _ = until(
        lambda: caller.models(headers={"X-MaaS-Subscription": subscription.name}),
        lambda seen: b"access denied to requested" not in seen.body and b"not reconciled" not in seen.body,
        CACHES,
    )
    return answer.status


def internal_operations(world: World) -> int | None:
    question = {"username": "victim", "groups": ["g"]}
    return world.person(world.identity()).manage("POST", "/internal/v1/subscriptions/select", json=question).status


def alias_taken(world: World) -> str | None:
    """Of two models of one name the newer one's subscriber asks for it by name."""
    name, other = f"{world.name}-shared", f"{world.name}-other"
    world.declare({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
    registered(world, name, name, other)
    world.settle()
    elder = world.estate.cluster.get(Ref(MAAS, "MaaSModelRef", name, other))
    assert elder is not None
    clock = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{world.name}-clock", "namespace": "llm"}}

    def a_second_later() -> bool:
        """Creation times have whole seconds, and the age decides."""
        now = world.estate.cluster.apply(clock)["metadata"]["creationTimestamp"]
        world.estate.cluster.delete(Ref.of(clock))
        return str(now) > str(elder["metadata"]["creationTimestamp"])

    until(a_second_later, bool, CACHES)
    model = world.late_model(name).handle
    who = world.identity()
    world.subscription(who, models=model)
    world.policy(who, models=model)
    assert world.person(who).models().status == 200

    def selected(wanted: str) -> str | None:
        question = {"username": who.username, "groups": list(who.groups), "requestedModel": wanted}
        answer = httpx.post(f"{maas_api(world)}/internal/v1/subscriptions/select", json=question, trust_env=False)
        found = answer.json().get("resolvedModel")
        return found and str(found).partition("/")[0]

    assert selected(f"llm/{name}") == "llm"
    return selected(name)


def minted_by_key(world: World) -> bool:
    who = world.identity()
    key = world.key(who, world.subscription(who), expires_in="10m")
    minted = world.caller(key).manage("POST", "/v1/api-keys", json={"name": "child"})
    assert minted.status == 201
    return str(minted.json()["expiresAt"]) > str(key.document["expiresAt"])


def credential_at_the_model(world: World) -> bool:
    exchange = world.customer().infer()
    assert exchange.status == 200
    journals = world.journals()
    assert journals is not None
    (entry,) = journals.of(exchange.request_id)
    assert "x-request-id" in entry.headers
    return "authorization" in entry.headers


def path_names_model(world: World) -> list[int | None]:
    """B is somebody's model; the caller may use a model that is called B and served by another."""
    b, x = world.new_model(registered=False), world.new_model(registered=False)
    world.settle()
    registered(world, f"{b.handle.name}-owned", b.handle.name)
    registered(world, b.handle.name, x.handle.name)
    who = world.identity()
    subscription = world.subscription(who, models=b.handle)
    world.policy(who, models=b.handle)
    owner = world.identity()
    owned = b.handle.model_copy(update={"name": f"{b.handle.name}-owned"})
    world.subscription(owner, models=owned)
    world.policy(owner, models=owned)
    caller = world.subscriber(who, subscription)
    return [caller.infer(model=model).status for model in (b.handle, x.handle)]


def unusable_default(world: World) -> str:
    who = world.identity()
    broken = world.subscription(who, models=absent(world), priority=900, awaited=False)
    world.settle()
    world.await_phase(broken.ref, "Failed")
    works = world.subscription(who, priority=800)
    world.policy(who)
    key = world.key(who)
    return {broken.name: "broken", works.name: "works"}[key.document["subscription"]]


def unstorable_group(world: World) -> int:
    who = world.identity()
    subscription = world.subscription(who)
    assert world.key(who, subscription).id
    headers = {"X-MaaS-Username": who.username, "X-MaaS-Group": '["/team"]'}
    body = {"name": "key", "subscription": subscription.name}
    return httpx.post(f"{maas_api(world)}/v1/api-keys", headers=headers, json=body, trust_env=False).status_code


def named_like_an_administrator(world: World) -> int | None:
    user = world.oidc_user()
    token = OidcToken(world, world.issuer, user, {"preferred_username": "system:admin", "groups": ["system:masters"]})
    return world.caller(token).manage("POST", "/v1/api-keys/search", json={}).status


def meant_for_somebody_else(world: World) -> int | None:
    user = world.oidc_user()
    return (
        world.caller(OidcToken(world, world.issuer, user, {"azp": None, "aud": "a-shop-of-somebody"})).models().status
    )


def expired_key(world: World) -> int | None:
    who = world.identity()
    key = world.key(who, world.subscription(who), expires_in="1ns")
    return world.person(who).manage("DELETE", f"/v1/api-keys/{key.id}").status


def offset_alone(world: World) -> int | None:
    caller = world.person(world.identity())
    return caller.manage("POST", "/v1/api-keys/search", json={"pagination": {"offset": 0}}).status


def names_run_together(world: World) -> int:
    """How many of two subscriptions have a limit, of namespaces and names that read the same when joined by a dash."""
    world.declare(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "models-as-a", "labels": {TENANT_LABEL: "true"}},
        },
        {
            "apiVersion": MAAS,
            "kind": "MaasTenantConfig",
            "metadata": {"name": "default-tenant", "namespace": "models-as-a"},
            "spec": {},
        },
    )
    who = world.identity()
    world.settle()
    twin = world.new_model(governed=False)
    first = world.subscription(who, models=twin.handle, awaited=False)
    second = first.manifest()
    second["metadata"] = {"name": f"service-{first.name}", "namespace": "models-as-a"}
    world.declare(second)
    world.settle()
    policy = Ref("kuadrant.io/v1alpha1", "TokenRateLimitPolicy", f"maas-trlp-{twin.handle.name}", "llm")
    both = {f"models-as-a-service/{first.name}", f"models-as-a/service-{first.name}"}

    def of_both(manifest: Manifest | None) -> bool:
        notes = ((manifest or {}).get("metadata") or {}).get("annotations") or {}
        return set(notes.get("maas.opendatahub.io/subscriptions", "").split(",")) == both

    world.declare(until=[Expectation(policy, "made of both subscriptions", of_both)])
    world.settle()
    found = world.estate.cluster.get(policy)
    assert found is not None
    return len(found["spec"]["limits"])


def endless_window(world: World) -> list[int | None]:
    """The only limit of a user has a window that is too long; somebody else's on the same model is good."""
    who = world.identity()
    model = world.new_model()
    world.customer(models=model.handle).credential.secret()
    subscription = world.subscription(who, models=model.handle, rates=[Rate(1, "9999h")], awaited=False)
    world.policy(who, models=model.handle)
    world.settle()
    world.await_phase(subscription.ref, "Degraded", "Active")
    world.subscription(who, models=world.model(1))
    world.policy(who, models=world.model(1))
    caller = world.person(who)  # its token waits until the later subscription is known, and so this one
    return [caller.infer(model=model.handle, headers={"X-MaaS-Subscription": subscription.name}).status for _ in "12"]


def second_registration(world: World) -> bool:
    """Whether the first registration's budget still holds. Where it does not, the call is served, or 403 once the policy is seen to be overridden."""
    model = world.new_model()
    first = world.customer(models=model.handle, limit=1)
    assert first.infer().status == 200
    assert first.infer().status == 429
    again = model.handle.model_copy(update={"name": f"{model.handle.name}-again"})
    registered(world, again.name, model.handle.name)
    who = world.identity()
    subscription = world.subscription(who, models=again, awaited=False)
    world.settle()

    def decided(manifest: Manifest | None) -> bool:
        entries = ((manifest or {}).get("status") or {}).get("tokenRateLimitStatuses") or []
        return any(entry["ready"] or "older MaaSModelRef" in entry["message"] for entry in entries)

    world.declare(until=[Expectation(subscription.ref, "decided whose limits are in force", decided)])
    world.settle()
    return first.infer().status == 429


def query_like_a_listing(world: World) -> int | None:
    customer = world.customer(limit=1)
    assert customer.infer().status == 200
    assert customer.infer().status == 429
    path = f"{customer.model.path}/v1/chat/completions?x=/v1/models"
    body = {"model": customer.model.served_name, "max_tokens": 2, "messages": [{"role": "user", "content": "Hello"}]}
    return customer.gateway("POST", path, json=body).status


def listed_name_routes(world: World) -> list[str]:
    """Which of an external model's two names its route knows."""
    name = f"{world.name}-listed"
    provider_model(world, name, f"{world.name}-target")
    route = Ref(ROUTE, "HTTPRoute", f"maas-{name}", "llm")
    world.declare(until=[Expectation(route, "written", bool)])
    world.settle()
    found = world.estate.cluster.get(route)
    if found is None:
        raise NotReady(f"{route} went away")
    values = {
        header["value"]
        for rule in found["spec"]["rules"]
        for match in rule["matches"]
        for header in match.get("headers", ())
    }
    return sorted(value.rpartition("-")[2] for value in values)


PROBES = {
    "MAAS-LIST-011": Probe(listing_beyond_policies, safe=False, weak=True),
    "MAAS-LIST-021": Probe(failed_subscription, 403, 500),
    "MAAS-SEC-001": Probe(internal_operations, 403, 200),
    "MAAS-SEC-006": Probe(alias_taken, "llm", None),
    "MAAS-SEC-010": Probe(minted_by_key, safe=False, weak=True),
    "MAAS-AUTH-037": Probe(credential_at_the_model, safe=False, weak=True),
    "MAAS-AUTH-064": Probe(path_names_model, [403, 200], [200, 403]),
    "MAAS-KEY-031": Probe(unusable_default, "works", "broken"),
    "MAAS-KEY-038": Probe(unstorable_group, 400, 500),
    "MAAS-KEY-088": Probe(named_like_an_administrator, 403, 200),
    "MAAS-AUTH-013": Probe(meant_for_somebody_else, 403, 200),
    "MAAS-KEY-055": Probe(expired_key, 404, 200),
    "MAAS-KEY-070": Probe(offset_alone, 200, 400),
    "MAAS-RATE-016": Probe(names_run_together, 2, 1),
    "MAAS-RATE-018": Probe(endless_window, [403, 403], [200, 200]),
    "MAAS-RATE-019": Probe(second_registration, True, False),
    "MAAS-RATE-025": Probe(query_like_a_listing, 429, 200),
    "MAAS-GW-017": Probe(listed_name_routes, ["listed", "target"], ["target"]),
}
