"""Weaknesses that MaaS platforms are known to have: a check passes where the platform does the safe thing, and reports where it does not.

The rows judge nobody (level `observe`): they tell an operator what to guard against.
"""

from typing import Final

from harness.engine.declaration import check
from harness.kube.manifest import Manifest, Ref
from harness.kube.wait import Expectation
from harness.platforms.platform import Need
from harness.world.expectations import (
    expect,
    expect_equal,
    expect_refused,
    expect_served,
    expect_status,
    flat_error,
    model_ids,
    quota_refusal,
)
from harness.world.governance import MAAS, Rate
from harness.world.inference import Ask
from harness.world.patience import until
from harness.world.providers import Providers
from harness.world.world import CACHES, World

ROUTE = "gateway.networking.k8s.io/v1"
TENANT_LABEL = "maas.opendatahub.io/managed-by-aitenant"
MODELS: Final[tuple[Need, ...]] = ("kube", "models")


def registration(name: str, backend: str, namespace: str, kind: str = "LLMInferenceService") -> Manifest:
    """A MaaSModelRef of somebody who brings no backend."""
    return {
        "apiVersion": MAAS,
        "kind": "MaaSModelRef",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"modelRef": {"kind": kind, "name": backend}},
    }


@check("MAAS-LIST-011", needs={"kube"})
def test_a_key_does_not_list_what_its_owner_may_not_use(world: World) -> None:
    who = world.identity()
    subscription = world.subscription(who, models=[world.model(0), world.model(1)])
    world.policy(who, models=world.model(1))
    listing = expect_served(world.subscriber(who, subscription).models())
    listed = set(model_ids(listing))
    expect(
        world.model(1).model_id in listed, expected="the usable model", observed=repr(sorted(listed)),
        exchange=listing,
    )  # fmt: skip
    expect(
        world.model(0).model_id not in listed,
        expected="no model that every access policy refuses to the caller",
        observed=f"{world.model(0).model_id} is listed",
        exchange=listing,
    )


@check("MAAS-LIST-021", needs={"kube"})
def test_a_failed_subscription_is_refused_and_not_a_server_error(world: World) -> None:
    who = world.identity()
    subscription = world.subscription(who, models=world.ghost(), awaited=False)
    caller = world.person(who)
    world.settle()
    world.await_phase(subscription.ref, "Failed")
    answer, _ = until(
        lambda: caller.models(headers={"X-MaaS-Subscription": subscription.name}),
        lambda seen: b"access denied to requested" not in seen.body and b"not reconciled" not in seen.body,
        CACHES,
    )
    expect_status(answer, 403, when="the named subscription has failed")


@check("MAAS-SEC-006", needs={"kube", "providers"})
def test_a_name_that_somebody_took_elsewhere_still_means_ones_own_model(world: World, providers: Providers) -> None:
    """An external model has a name without a namespace, which anybody who may write in some namespace can take first."""
    name, elsewhere = f"{world.name}-gpt1", f"{world.name}-elsewhere"
    taken = registration(name, name, elsewhere, kind="ExternalModel")
    world.declare({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": elsewhere}}, taken)
    world.settle()
    _await_a_later_second(world, taken)
    model = providers.model()
    expect_equal(model.handle.name, name, of="the name that was taken")
    answer = world.customer(models=model.handle).infer(Ask(style="body"))
    expect_status(answer, 200, when="the body names one's own model, and an elder one elsewhere is called so too")


def _await_a_later_second(world: World, elder: Manifest) -> None:
    """Creation times have whole seconds, and the age decides who was first."""
    found = world.estate.cluster.get(Ref.of(elder))
    since = str(found["metadata"]["creationTimestamp"]) if found else ""
    where = str(elder["metadata"]["namespace"])
    clock = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "clock", "namespace": where}}

    def now() -> str:
        return str(world.estate.cluster.apply(clock, dry_run=True)["metadata"]["creationTimestamp"])

    until(now, lambda time: time > since, CACHES)


@check("MAAS-SEC-010", needs={"kube"})
def test_a_key_minted_with_a_key_does_not_outlive_it(world: World) -> None:
    key = world.key(world.member(), world.common(), expires_in="10m")
    minted = world.caller(key).manage("POST", "/v1/api-keys", json={"name": "child"})
    if minted.status in (401, 403):
        return  # minting with a key is not offered, so nothing can outlive it
    expect_status(minted, 201, when="a key mints a key")
    parent, child = str(key.document["expiresAt"]), str(minted.json()["expiresAt"])
    expect(child <= parent, expected=f"an end at {parent} or before", observed=child, exchange=minted)


@check("MAAS-AUTH-037", needs={"kube", "backends"})
def test_the_model_server_never_sees_a_credential(world: World) -> None:
    exchange = expect_served(world.anybody().infer())
    journals = world.journals()
    assert journals is not None
    (entry,) = journals.of(exchange.request_id)
    seen = sorted({"authorization", "x-api-key", "cookie"} & set(entry.headers))
    expect_equal(seen, [], of="credential headers that arrived at the model server", exchange=exchange)


@check("MAAS-AUTH-064", needs=MODELS)
def test_a_path_means_the_model_whose_server_has_that_name(world: World) -> None:
    owned, other = world.new_model(registered=False), world.new_model(registered=False)
    world.settle()
    namespace = owned.handle.namespace
    world.declare(
        registration(f"{owned.handle.name}-owned", owned.handle.name, namespace),
        registration(owned.handle.name, other.handle.name, namespace),
    )
    who, owner = world.identity(), world.group("owner")
    mine = owned.handle.model_copy(update={"model_id": other.handle.model_id})  # as what stands behind it is listed
    subscription = world.subscription(who, models=mine)
    world.policy(who, models=mine)
    theirs = owned.handle.model_copy(update={"name": f"{owned.handle.name}-owned"})
    world.subscription(owner, models=theirs)
    world.policy(owner, models=theirs)
    caller = world.subscriber(who, subscription)
    expect_status(caller.infer(model=other.handle), 200, when="the path names the server of one's own model")
    expect_status(
        caller.infer(model=owned.handle),
        403,
        when="the path names somebody's server, which is called as one's own model",
    )


@check("MAAS-KEY-031", needs={"kube"})
def test_a_key_without_a_wish_is_bound_to_a_subscription_that_serves(world: World) -> None:
    who = world.identity()
    broken = world.subscription(who, models=world.ghost(), priority=900, awaited=False)
    world.settle()
    world.await_phase(broken.ref, "Failed")
    works = world.subscription(who, priority=800)
    world.policy(who)
    bound = world.key(who).document["subscription"]
    expect_equal(bound, works.name, of="subscription of a key that names none, the first one having failed")


@check("MAAS-KEY-038", needs={"kube", "oidc"})
def test_a_group_that_cannot_be_kept_with_a_key_is_the_callers_affair(world: World) -> None:
    who = world.oidc_user("/Engineering")
    subscription = world.subscription(who)
    world.policy(who)
    caller = world.person(who)
    answer = caller.manage("POST", "/v1/api-keys", json={"name": "key", "subscription": subscription.name})
    expect_refused(answer, 400, flat_error(), when="a group of the caller cannot be stored with a key")


@check("MAAS-KEY-055", needs={"kube"})
def test_an_expired_key_is_gone_for_revocation(world: World) -> None:
    who = world.member()
    key = world.key(who, world.common(), expires_in="1ns")
    answer = world.person(who).manage("DELETE", f"/v1/api-keys/{key.id}")
    expect_status(answer, 404, when="the key has expired, whether anybody tried it since or not")


@check("MAAS-KEY-070", needs={"kube"})
def test_an_offset_alone_has_the_usual_page_size(world: World) -> None:
    caller = world.person(world.identity())
    answer = caller.manage("POST", "/v1/api-keys/search", json={"pagination": {"offset": 0}})
    expect_status(answer, 200, when="a page is asked for by its offset alone")


@check("MAAS-RATE-016", needs=MODELS)
def test_names_that_read_the_same_when_joined_keep_limits_of_their_own(world: World) -> None:
    spaces = f"{world.name}-a", f"{world.name}-a-b"
    for space in spaces:
        world.declare(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space, "labels": {TENANT_LABEL: "true"}}},
            {"apiVersion": MAAS, "kind": "MaasTenantConfig", "metadata": {"name": "default-tenant", "namespace": space}, "spec": {}},
        )  # fmt: skip
    who = world.identity()
    world.settle()
    twin = world.new_model(governed=False)
    pattern = world.subscription(who, models=twin.handle, awaited=False).manifest()
    names = {f"{spaces[0]}/b-c", f"{spaces[1]}/c"}
    for name in sorted(names):
        space, _, short = name.partition("/")
        world.declare({**pattern, "metadata": {"name": short, "namespace": space}})
    world.settle()
    policy = Ref("kuadrant.io/v1alpha1", "TokenRateLimitPolicy", f"maas-trlp-{twin.handle.name}", twin.handle.namespace)

    def made_of_all(manifest: Manifest | None) -> bool:
        notes = ((manifest or {}).get("metadata") or {}).get("annotations") or {}
        return names <= set(notes.get("maas.opendatahub.io/subscriptions", "").split(","))

    world.declare(until=[Expectation(policy, "made of every subscription", made_of_all)])
    world.settle()
    found = world.estate.cluster.get(policy)
    assert found is not None
    expect_equal(len(found["spec"]["limits"]), 3, of="limits of a model that three subscriptions have")


@check("MAAS-RATE-018", needs=MODELS)
def test_a_limit_that_cannot_be_enforced_is_not_a_licence(world: World) -> None:
    who = world.identity()
    model = world.new_model()
    world.customer(models=model.handle).credential.secret()
    subscription = world.subscription(who, models=model.handle, rates=[Rate(1, "9999h")], awaited=False)
    world.policy(who, models=model.handle)
    world.settle()
    world.await_phase(subscription.ref, "Degraded", "Active", "Failed")
    world.subscription(who, models=world.model(1))
    world.policy(who, models=world.model(1))
    caller = world.person(who)  # its token waits until the later subscription is known, and so this one
    answers = [caller.infer(headers={"X-MaaS-Subscription": subscription.name}, model=model.handle) for _ in range(3)]
    expect(
        answers[-1].status in (403, 429),
        expected="a refusal, since one token was sold and three requests were sent",
        observed=f"{[answer.status for answer in answers]}",
        exchange=answers[-1],
    )


@check("MAAS-RATE-019", needs=MODELS)
def test_a_second_registration_leaves_the_first_ones_limits_in_force(world: World) -> None:
    model = world.new_model()
    first = world.customer(models=model.handle, limit=1)
    expect_served(first.infer())
    expect_refused(first.infer(), 429, quota_refusal, when="the budget is spent")
    again = model.handle.model_copy(update={"name": f"{model.handle.name}-again"})
    world.declare(registration(again.name, model.handle.name, again.namespace))
    subscription = world.subscription(world.identity(), models=again, awaited=False)
    world.settle()

    def decided(manifest: Manifest | None) -> bool:
        entries = ((manifest or {}).get("status") or {}).get("tokenRateLimitStatuses") or []
        return any(entry["ready"] or "older MaaSModelRef" in entry["message"] for entry in entries)

    world.declare(until=[Expectation(subscription.ref, "decided whose limits are in force", decided)])
    world.settle()
    expect_status(first.infer(), 429, when="the budget is spent and the model is registered a second time")


@check("MAAS-GW-017", needs={"kube"})
def test_an_external_model_is_routed_by_the_name_under_which_it_is_listed(world: World) -> None:
    name, target = f"{world.name}-listed", f"{world.name}-target"
    namespace = world.model().namespace
    world.declare(
        {
            "apiVersion": MAAS,
            "kind": "ExternalModel",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "provider": "openai",
                "targetModel": target,
                "endpoint": "provider.example",
                "credentialRef": {"name": "key"},
            },
        }
    )
    route = Ref(ROUTE, "HTTPRoute", f"maas-{name}", namespace)
    world.declare(until=[Expectation(route, "written", bool)])
    world.settle()
    found = world.estate.cluster.get(route)
    assert found is not None
    known = {
        header["value"]
        for rule in found["spec"]["rules"]
        for match in rule["matches"]
        for header in match.get("headers", ())
    }
    expect(name in known, expected=f"a match of the model name {name}", observed=f"matches of {sorted(known)}")
