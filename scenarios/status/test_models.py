"""What a MaaSModelRef says of itself while quota, access and its backend come and go."""

from harness.engine.declaration import check
from harness.kube.manifest import Manifest, Ref, condition
from harness.kube.wait import Expectation, is_gone
from harness.world.expectations import expect, expect_equal, expect_served
from harness.world.force import limit_policy_ref, model_ref
from harness.world.twin import gateway_refs, registration
from harness.world.world import World

FINALIZER = "maas.opendatahub.io/model-cleanup"


def expect_state(
    manifest: Manifest, requirement: str, *, ready: tuple[str, str], says: str, attached: str | None = None
) -> None:
    """Ready has this status and reason, its message contains this, and GovernanceAttached has that reason."""
    found = condition(manifest, "Ready") or {}
    name = f"{manifest['metadata']['name']} in phase {manifest['status']['phase']}"
    told = (found.get("status"), found.get("reason"))
    expect_equal(told, ready, of=f"Ready of {name}", requirement=requirement)
    message = str(found.get("message"))
    expect(says in message, expected=f"{name} says: {says}", observed=repr(message), requirement=requirement)
    governance = condition(manifest, "GovernanceAttached") or {}
    if attached is not None:
        told, wanted = (
            (governance.get("status"), governance.get("reason")),
            (str(attached == "GovernancePaired"), attached),
        )
        expect_equal(told, wanted, of=f"GovernanceAttached of {name}", requirement="MAAS-STAT-005")


def endpoint_of(manifest: Manifest) -> str:
    """Where the model can be reached; empty when it says nothing."""
    return str(manifest["status"].get("endpoint") or "")


@check("MAAS-STAT-001", "MAAS-STAT-003", "MAAS-STAT-005", needs={"kube", "models"})
def test_a_model_is_ready_once_it_is_governed_and_no_longer_than_that(world: World) -> None:
    """Neither, quota alone, both, access alone, both, quota alone, neither: it takes both, and each loss is noticed by itself."""
    who = world.identity()
    twin = world.new_model(governed=False)
    world.settle()
    ref = model_ref(twin.handle)
    waiting = ("False", "BackendNotReady")
    pending = world.expect_phase(ref, "Pending", requirement="MAAS-STAT-003")
    says = "Awaiting governance pairing"
    expect_state(pending, "MAAS-STAT-003", ready=waiting, says=says, attached="NoPairingFound")
    expect_equal(endpoint_of(pending), "", of="endpoint while pending", requirement="MAAS-STAT-003")
    subscription = world.subscription(who, models=twin.handle)
    world.settle()
    half = world.expect_phase(ref, "Pending", requirement="MAAS-STAT-001")
    expect_state(half, "MAAS-STAT-001", ready=waiting, says=says, attached="NoPairingFound")
    policy = world.policy(who, models=twin.handle)
    world.settle()
    expect_ready(world, ref)
    for lost, instead in ((subscription, True), (policy, False)):
        world.withdraw(lost.ref)
        gap = world.expect_phase(ref, "Pending", requirement="MAAS-STAT-003")
        expect_state(gap, "MAAS-STAT-003", ready=waiting, says=says, attached="GovernanceGap")
        expect_equal(endpoint_of(gap), "", of="endpoint once a grant is gone", requirement="MAAS-STAT-003")
        if instead:
            world.subscription(who, models=twin.handle)
            world.settle()
            expect_ready(world, ref)


def expect_ready(world: World, ref: Ref) -> None:
    """Governed and healthy, as phase, conditions and endpoint say."""
    ready = world.expect_phase(ref, "Ready", requirement="MAAS-STAT-001")
    says = "Governed and runtime-healthy"
    expect_state(ready, "MAAS-STAT-001", ready=("True", "Reconciled"), says=says, attached="GovernancePaired")
    expect(bool(endpoint_of(ready)), expected="an endpoint", observed="none", requirement="MAAS-STAT-001")


@check("MAAS-STAT-004", needs={"kube", "models"})
def test_a_governed_model_whose_backend_is_down_is_unhealthy(world: World) -> None:
    who = world.identity()
    twin = world.new_model()
    world.subscription(who, models=twin.handle)
    world.policy(who, models=twin.handle)
    world.settle()
    world.expect_phase(model_ref(twin.handle), "Ready")
    world.estate.cluster.patch(twin.backend, {"spec": {"replicas": 0}})
    found = world.expect_phase(model_ref(twin.handle), "Unhealthy")
    runtime = condition(found, "RuntimeReady") or {}
    told = (runtime.get("status"), runtime.get("reason"))
    expect_equal(told, ("False", "RuntimeHealthFailure"), of="RuntimeReady")
    expect_equal(endpoint_of(found), "", of="endpoint of an unhealthy model")
    expect_equal((condition(found, "Ready") or {}).get("status"), "False", of="Ready")


@check("MAAS-STAT-009", "MAAS-LLM-008", "MAAS-LIST-003", needs={"kube"})
def test_a_models_alias_is_its_id(world: World) -> None:
    model = world.model()
    found = world.estate.cluster.get(model_ref(model)) or {}
    wanted = f"publishers/{model.namespace}/models/{model.served_name}"
    expect_equal(
        found["status"].get("resolvedModelAlias"), wanted, of="resolvedModelAlias", requirement="MAAS-STAT-009"
    )
    exchange = expect_served(world.anybody().models())
    expect_equal(
        exchange.json()["data"][0]["id"], wanted, of="id in the list", exchange=exchange, requirement="MAAS-LIST-003"
    )


@check("MAAS-STAT-009", "MAAS-LLM-008", needs={"kube", "models"})
def test_the_alias_comes_from_the_backend_and_outlives_it(world: World) -> None:
    twin = world.new_model(governed=False)
    world.settle()
    ref = model_ref(twin.handle)
    # the older version of the kind does not say which models an address serves
    served = Ref("serving.kserve.io/v1alpha2", twin.backend.kind, twin.backend.name, twin.backend.namespace)
    service = world.estate.cluster.get(served) or {}
    published = [name["name"] for one in service["status"]["addresses"] for name in one.get("models") or ()]
    found = world.expect_phase(ref, "Pending")
    alias = found["status"].get("resolvedModelAlias")
    expect(bool(published), expected=f"models among the addresses of {served}", observed="none")
    expect_equal(alias, published[0], of="resolvedModelAlias", requirement="MAAS-LLM-008")
    expect_equal(alias, twin.handle.model_id, of="resolvedModelAlias", requirement="MAAS-STAT-009")
    world.withdraw(twin.backend)
    says = "Waiting for HTTPRoute to be created"

    def waits(manifest: Manifest | None) -> bool:
        return manifest is not None and says in str((condition(manifest, "Ready") or {}).get("message"))

    orphan = world.expect_becomes(Expectation(ref, f"saying: {says}", waits), requirement="MAAS-STAT-009")
    expect_equal(
        orphan["status"].get("resolvedModelAlias"), alias, of="alias without a backend", requirement="MAAS-STAT-009"
    )


@check("MAAS-STAT-008", needs={"kube", "models", "disposable"})
def test_a_route_to_a_backend_that_does_not_exist_fails_the_model(world: World) -> None:
    who, missing = world.identity(), world.ghost()
    labels = {
        "app.kubernetes.io/name": missing.name,
        "app.kubernetes.io/component": "llminferenceservice-router",
        "app.kubernetes.io/part-of": "llminferenceservice",
    }
    matches = [{"path": {"type": "PathPrefix", "value": missing.path}}]
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": f"{missing.name}-route", "namespace": missing.namespace, "labels": labels},
        "spec": {
            "parentRefs": gateway_refs(world.wire.platform.namespaces.gateway),
            "rules": [{"matches": matches}],
        },
    }
    world.declare(registration(missing), route)
    world.subscription(who, models=missing, awaited=False)
    world.policy(who, models=missing, awaited=False)
    world.settle()
    found = world.expect_phase(model_ref(missing), "Failed")
    expect_state(found, "MAAS-STAT-008", ready=("False", "ReconcileFailed"), says="LLMInferenceService")
    expect_state(found, "MAAS-STAT-008", ready=("False", "ReconcileFailed"), says="not found")
    expect_equal(endpoint_of(found), "", of="endpoint of a model without a backend")


@check("MAAS-CRD-010", needs={"kube", "models", "kuadrant"})
def test_a_model_stays_until_its_policies_are_gone(world: World) -> None:
    twin = world.new_model(governed=False)
    world.subscription(world.identity(), models=twin.handle)
    world.settle()
    ref, policy = model_ref(twin.handle), limit_policy_ref(twin.handle)
    finalizers = (world.estate.cluster.get(ref) or {})["metadata"].get("finalizers") or []
    expect(FINALIZER in finalizers, expected=f"the finalizer {FINALIZER}", observed=repr(finalizers))
    world.estate.cluster.delete(ref)
    world.expect_becomes(is_gone(ref))
    left = world.estate.cluster.get(policy)
    expect(
        left is None or "deletionTimestamp" in left["metadata"],
        expected=f"no {policy} once the model is gone",
        observed="it is there, and nobody deletes it",
    )


@check("MAAS-STAT-011", needs={"kube"})
def test_a_model_without_an_alias_is_in_no_conflict_that_anybody_knows_of(world: World) -> None:
    missing = world.ghost()
    world.declare(registration(missing))
    world.settle()
    found = world.expect_condition(model_ref(missing), "ModelIdentityUnique", "Unknown")
    expect_equal((condition(found, "ModelIdentityUnique") or {}).get("reason"), "AliasNotResolved", of="reason")
