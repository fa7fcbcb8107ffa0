"""What objects say of themselves, and what the controller makes of them."""

from harness.engine.declaration import check
from harness.kube.manifest import Manifest, Ref, condition
from harness.kube.wait import is_gone
from harness.platforms.platform import ModelHandle
from harness.world.expectations import expect, expect_equal, expect_served
from harness.world.force import limit_policy_ref, model_ref
from harness.world.governance import MAAS, Rate, Subscription
from harness.world.world import World


def entry(manifest: Manifest, field: str, name: str) -> dict[str, object]:
    """One item of a status list, by name."""
    return next((item for item in manifest["status"].get(field) or () if item.get("name") == name), {})


def key_of(subscription: Subscription, model: ModelHandle) -> str:
    """What a limit is called."""
    return f"{subscription.ref.namespace}-{subscription.name}-{model.name}-tokens"


def limits(world: World, model: ModelHandle) -> dict[str, object]:
    """The limits of a model's policy; none when there is no policy."""
    found = world.estate.cluster.get(limit_policy_ref(model)) or {}
    return (found.get("spec") or {}).get("limits") or {}


@check("MAAS-STAT-020", "MAAS-CRD-049", needs={"kube"})
def test_a_subscription_in_force_is_active(world: World) -> None:
    model = world.model()
    subscription = world.subscription(world.identity())
    world.settle()
    found = world.expect_phase(subscription.ref, "Active")
    ready = condition(found, "Ready") or {}
    expect_equal(
        (ready.get("status"), ready.get("reason")), ("True", "Reconciled"), of="Ready", requirement="MAAS-STAT-020"
    )
    valid = entry(found, "modelRefStatuses", model.name)
    expect_equal(
        (valid.get("ready"), valid.get("reason")), (True, "Valid"), of="modelRefStatuses", requirement="MAAS-STAT-020"
    )
    limited = [item for item in found["status"].get("tokenRateLimitStatuses") or () if item.get("model") == model.name]
    told = [(item.get("ready"), item.get("reason")) for item in limited]
    expect_equal(told, [(True, "Accepted")], of=f"tokenRateLimitStatuses of {model.name}", requirement="MAAS-STAT-020")


@check("MAAS-CRD-024", "MAAS-CRD-049", needs={"kube"})
def test_the_statuses_of_quota_and_access_are_defined(world: World) -> None:
    both = {"name": "string", "namespace": "string", "ready": "boolean", "reason": "string", "message": "string"}
    for requirement, plural, lists in (
        ("MAAS-CRD-024", "maasauthpolicies", {"authPolicies": both | {"model": "string", "modelNamespace": "string"}}),
        (
            "MAAS-CRD-049",
            "maassubscriptions",
            {"modelRefStatuses": both, "tokenRateLimitStatuses": both | {"model": "string"}},
        ),
    ):
        ref = Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{plural}.maas.opendatahub.io")
        versions = (world.estate.cluster.get(ref) or {"spec": {"versions": []}})["spec"]["versions"]
        expect(bool(versions), expected=f"{ref}", observed="it does not exist", requirement=requirement)
        fields = versions[0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
        phases = sorted(fields["phase"].get("enum") or ())
        known = ["Active", "Degraded", "Failed", "Invalid", "Pending"]
        expect_equal(phases, known, of=f"phases of {plural}", requirement=requirement)
        expect_equal(fields.get("conditions", {}).get("type"), "array", of="conditions", requirement=requirement)
        for name, wanted in lists.items():
            members = fields.get(name, {}).get("items", {}).get("properties", {})
            found = {member: members.get(member, {}).get("type") for member in wanted}
            expect_equal(found, wanted, of=f"items of {plural} status.{name}", requirement=requirement)
            lengths = {member: members[member].get("maxLength") for member in ("name", "namespace", "message")}
            if requirement == "MAAS-CRD-024":
                limits = {"name": 253, "namespace": 63, "message": 1024}
                expect_equal(lengths, limits, of=f"longest items of {plural} status.{name}", requirement=requirement)


@check("MAAS-STAT-021", needs={"kube"})
def test_a_subscription_without_any_model_has_failed(world: World) -> None:
    missing = world.ghost()
    subscription = world.subscription(world.identity(), models=missing, awaited=False)
    world.settle()
    found = world.expect_phase(subscription.ref, "Failed")
    ready = condition(found, "Ready") or {}
    expect_equal((ready.get("status"), ready.get("reason")), ("False", "ReconcileFailed"), of="Ready")
    item = entry(found, "modelRefStatuses", missing.name)
    expect_equal((item.get("ready"), item.get("reason")), (False, "NotFound"), of="modelRefStatuses")


@check("MAAS-STAT-022", "MAAS-CTRL-005", "MAAS-AUTH-056", needs={"kube"})
def test_a_subscription_with_a_missing_model_is_degraded_and_serves_the_other(world: World) -> None:
    missing, model = world.ghost(), world.model()
    who = world.identity()
    subscription = world.subscription(who, models=(model, missing), awaited=False)
    world.policy(who, models=model)
    world.settle()
    found = world.expect_phase(subscription.ref, "Degraded")
    ready = condition(found, "Ready") or {}
    expect_equal(ready.get("reason"), "PartialFailure", of="reason of Ready", requirement="MAAS-STAT-022")
    for one, wanted in ((model, True), (missing, False)):
        item = entry(found, "modelRefStatuses", one.name)
        expect_equal(item.get("ready"), wanted, of=f"ready of {one.name}", requirement="MAAS-STAT-022")
    expect_equal(
        world.estate.cluster.get(limit_policy_ref(missing)), None, of="policy of a ghost", requirement="MAAS-CTRL-005"
    )
    world.await_limit(subscription, model)
    answer, _ = world.until(world.subscriber(who, subscription).infer, lambda seen: seen.status == 200)
    expect_served(answer, when="one model of the subscription exists")


@check("MAAS-STAT-030", "MAAS-CRD-024", needs={"kube"})
def test_a_policy_in_force_is_active(world: World) -> None:
    policy = world.policy(world.identity())
    world.settle()
    found = world.expect_phase(policy.ref, "Active")
    expect_equal((condition(found, "Ready") or {}).get("status"), "True", of="Ready", requirement="MAAS-STAT-030")
    expect_equal(found["status"].get("authPolicies") or [], [], of="authPolicies", requirement="MAAS-CRD-024")


@check("MAAS-STAT-031", needs={"kube"})
def test_a_policy_of_missing_models_has_failed_or_is_degraded(world: World) -> None:
    who = world.identity()
    none = world.policy(who, models=world.ghost(), awaited=False)
    some = world.policy(who, models=(world.model(), world.ghost()), awaited=False)
    world.settle()
    world.expect_phase(none.ref, "Failed")
    world.expect_phase(some.ref, "Degraded")


@check("MAAS-CRD-010", "MAAS-CRD-026", "MAAS-CRD-051", needs={"kube", "models"})
def test_objects_in_force_carry_their_finalizers(world: World) -> None:
    who = world.identity()
    twin = world.new_model()
    subscription = world.subscription(who, models=twin.handle)
    policy = world.policy(who, models=twin.handle)
    world.settle()
    for ref, finalizer, requirement in (
        (model_ref(twin.handle), "maas.opendatahub.io/model-cleanup", "MAAS-CRD-010"),
        (policy.ref, "maas.opendatahub.io/authpolicy-cleanup", "MAAS-CRD-026"),
        (subscription.ref, "maas.opendatahub.io/subscription-cleanup", "MAAS-CRD-051"),
    ):
        found = (world.estate.cluster.get(ref) or {}).get("metadata", {}).get("finalizers") or []
        expect(
            finalizer in found,
            expected=f"finalizer {finalizer} on {ref}",
            observed=repr(found),
            requirement=requirement,
        )


@check("MAAS-STAT-025", "MAAS-CTRL-018", needs={"kube", "models"})
def test_deleting_a_model_fails_its_subscription_and_spares_its_backend(world: World) -> None:
    who = world.identity()
    twin = world.new_model()
    subscription = world.subscription(who, models=twin.handle)
    policy = world.policy(who, models=twin.handle)
    world.settle()
    world.withdraw(model_ref(twin.handle))
    failed = world.expect_phase(subscription.ref, "Failed", requirement="MAAS-STAT-025")
    item = entry(failed, "modelRefStatuses", twin.handle.name)
    expect_equal(
        (item.get("ready"), item.get("reason")), (False, "NotFound"), of="modelRefStatuses", requirement="MAAS-STAT-025"
    )
    world.expect_phase(policy.ref, "Failed", requirement="MAAS-CTRL-018")
    world.expect_becomes(is_gone(limit_policy_ref(twin.handle)), requirement="MAAS-CTRL-018")
    expect(
        world.estate.cluster.get(twin.backend) is not None,
        expected="the LLMInferenceService stays",
        observed="it is gone",
        requirement="MAAS-CTRL-018",
    )


@check("MAAS-STAT-025", needs={"kube", "models"})
def test_deleting_one_of_two_models_degrades_the_subscription(world: World) -> None:
    twin = world.new_model(governed=False)
    subscription = world.subscription(world.identity(), models=(world.model(), twin.handle))
    world.settle()
    world.withdraw(model_ref(twin.handle))
    found = world.expect_phase(subscription.ref, "Degraded")
    items = {name: entry(found, "modelRefStatuses", name) for name in (world.model().name, twin.handle.name)}
    told = {name: (item.get("ready"), item.get("reason")) for name, item in items.items()}
    wanted = {world.model().name: (True, "Valid"), twin.handle.name: (False, "NotFound")}
    expect_equal(told, wanted, of="modelRefStatuses")


@check("MAAS-STAT-026", needs={"kube"})
def test_an_equal_priority_is_pointed_out(world: World) -> None:
    who = world.identity()
    priority = 1_000_000 + int(world.name.partition("-")[2], 16) % 1_000_000_000
    one, other = world.subscription(who, priority=priority), world.subscription(who, priority=priority)
    world.settle()
    for subscription, peer in ((one, other), (other, one)):
        found = told_of_peers(world, subscription, "True", "SharedPriority")
        expect(peer.name in str(found), expected=f"the peer {peer.name} is named", observed=repr(found))
    raised = priority + 1
    world.estate.cluster.patch(other.ref, {"spec": {"priority": raised}})
    for subscription in (one, other):
        told_of_peers(world, subscription, "False", "NoDuplicatePeers")
    third = world.subscription(who, priority=raised)
    world.settle()
    told_of_peers(world, other, "True", "SharedPriority")
    world.withdraw(third.ref)
    told_of_peers(world, other, "False", "NoDuplicatePeers")


@check("MAAS-STAT-026", needs={"kube"})
def test_an_equal_priority_in_another_tenants_namespace_is_nobodys_peer(world: World) -> None:
    """The other one is there first, and the check's own second one shows that the controller has looked at both namespaces."""
    who, space = world.identity(), world.space("others")
    priority = 1_000_000 + int(world.name.partition("-")[2], 16) % 1_000_000_000
    metadata = {"name": "default-tenant", "namespace": space}
    labels = {"maas.opendatahub.io/managed-by-aitenant": "true", "maas.opendatahub.io/tenant-name": space}
    world.declare({"apiVersion": MAAS, "kind": "MaasTenantConfig", "metadata": metadata, "spec": {}})
    world.settle()
    world.estate.cluster.patch(Ref("v1", "Namespace", space), {"metadata": {"labels": labels}})
    one = world.subscription(who, priority=priority)
    elsewhere = {**one.manifest(), "metadata": {"name": f"{world.name}-elsewhere", "namespace": space}}
    world.declare(elsewhere)
    world.settle()
    world.await_phase(Ref.of(elsewhere), "Active", "Degraded", "Failed", "Pending")
    told_of_peers(world, one, "False", "NoDuplicatePeers")
    other = world.subscription(who, priority=priority)
    world.settle()
    told = told_of_peers(world, one, "True", "SharedPriority")
    expect(
        other.name in str(told) and "elsewhere" not in str(told),
        expected=f"{other.name} as the only peer",
        observed=repr(told),
    )


def told_of_peers(world: World, subscription: Subscription, status: str, reason: str) -> object:
    """What the subscription says of others with its priority, once it says it with this status, and for this reason."""
    manifest = world.expect_condition(subscription.ref, "SpecPriorityDuplicate", status)
    found = condition(manifest, "SpecPriorityDuplicate") or {}
    expect_equal(found.get("reason"), reason, of=f"reason of SpecPriorityDuplicate of {subscription.name}")
    return found.get("message")


@check("MAAS-CTRL-001", "MAAS-CTRL-002", needs={"kube", "kuadrant", "models"})
def test_each_subscription_of_a_model_is_a_limit_of_one_policy(world: World) -> None:
    twin = world.new_model()
    who = world.identity()
    one = world.subscription(who, models=twin.handle, limit=5, window="1m")
    other = world.subscription(who, models=twin.handle, limit=7, window="2m")
    world.policy(who, models=twin.handle)
    world.settle()
    wanted = {
        key_of(one, twin.handle): [{"limit": 5, "window": "1m"}],
        key_of(other, twin.handle): [{"limit": 7, "window": "2m"}],
    }
    found = {key: limit.get("rates") for key, limit in limits(world, twin.handle).items() if isinstance(limit, dict)}
    expect_equal(found, wanted, of="limits of the model's policy", requirement="MAAS-CTRL-002")
    ref = limit_policy_ref(twin.handle)
    policy = world.expect_condition(ref, "Accepted", "True", requirement="MAAS-CTRL-001")
    told = " ".join((policy["metadata"].get("annotations") or {}).values())
    for subscription in (one, other):
        expect(
            subscription.name in told,
            expected=f"an annotation of {ref} that lists {subscription.name}",
            observed=repr(told),
            requirement="MAAS-CTRL-002",
        )


@check("MAAS-CTRL-004", needs={"kube", "models"})
def test_the_last_subscription_takes_the_policy_with_it(world: World) -> None:
    twin = world.new_model()
    who = world.identity()
    subscription = world.subscription(who, models=twin.handle)
    world.policy(who, models=twin.handle)
    caller = world.subscriber(who, subscription)
    expect_served(caller.infer())
    world.estate.cluster.delete(subscription.ref)
    for gone in (limit_policy_ref(twin.handle), subscription.ref):  # a policy that stays holds its subscription
        world.expect_becomes(is_gone(gone))
    exchange = world.once_refused(caller.infer)
    expect_equal(exchange.status, 403, of="status without any subscription", exchange=exchange)


@check("MAAS-CTRL-008", needs={"kube"})
def test_a_model_taken_out_of_a_subscription_is_closed(world: World) -> None:
    first, second = world.model(0), world.model(1)
    who = world.identity()
    subscription = world.subscription(who, models=(first, second))
    world.policy(who, models=(first, second))
    caller = world.subscriber(who, subscription)
    for model in (first, second):
        expect_served(caller.infer(model=model))
    world.change_models(subscription, first)
    refused = world.once_refused(lambda: caller.infer(model=second))
    expect_equal(refused.status, 403, of="status of the model taken out", exchange=refused)
    key = key_of(subscription, second)
    expect(key not in limits(world, second), expected=f"no limit {key} any more", observed="the policy still has it")
    expect_served(caller.infer(model=first), when="the model is still in the subscription")


@check("MAAS-CTRL-007", needs={"kube", "models"})
def test_the_order_of_creation_does_not_matter(world: World) -> None:
    who = world.identity()
    name = f"{world.name}-late"
    late = world.model().model_copy(
        update={
            "name": name,
            "path": f"/{world.model().namespace}/{name}",
            "served_name": name,
            "model_id": f"publishers/{world.model().namespace}/models/{name}",
        }
    )
    subscription = world.subscription(who, models=late, awaited=False)
    world.settle()
    policy = world.policy(who, models=late, awaited=False)
    world.settle()
    world.late_model(name)
    world.settle()
    world.await_in_force(subscription, policy)
    expect_served(world.subscriber(who, subscription).infer(), when="subscription and policy came before the model")


@check("MAAS-RATE-011", "MAAS-RATE-015", needs={"kube", "kuadrant"})
def test_every_rate_of_a_subscription_is_in_its_limit(world: World) -> None:
    rates = (Rate(10, "1m"), Rate(1000, "24h"))
    subscription = world.subscription(world.identity(), rates=rates)
    world.settle()
    limit = limits(world, world.model()).get(key_of(subscription, world.model()))
    assert isinstance(limit, dict)
    wanted = [{"limit": rate.limit, "window": rate.window} for rate in rates]
    expect_equal(limit.get("rates"), wanted, of="rates of the limit", requirement="MAAS-RATE-015")
    counters = [counter.get("expression") for counter in limit.get("counters") or ()]
    expect_equal(counters, ["auth.identity.userid"], of="counters of the limit", requirement="MAAS-RATE-015")
