import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest

from harness.engine.failure import NotReady
from harness.kube.janitor import left_behind
from harness.kube.labels import RUN
from harness.kube.manifest import Ref
from harness.ledger.book import ClientBook
from harness.world.caller import Wire
from harness.world.estate import Estate
from harness.world.force import limit_policy_ref
from harness.world.governance import MAAS, Rate
from harness.world.world import World
from tests.world.conftest import model


def activate(world, thing, phase="Active"):
    """What the MaaS controller does to an object."""
    world.estate.cluster.patch(thing.ref, {"status": {"phase": phase}}, subresource="/status")


def enforce(world, subscription, *, generation=None, status="True"):
    """What the controllers make of a subscription: its limit in the model's policy, and that policy's condition."""
    cluster = world.estate.cluster
    for target in subscription.models:
        ref = limit_policy_ref(target)
        key = f"{subscription.ref.namespace}-{subscription.name}-{target.name}-tokens"
        stored = cluster.apply(
            {
                "apiVersion": ref.api_version,
                "kind": ref.kind,
                "metadata": {"name": ref.name, "namespace": ref.namespace},
                "spec": {
                    "targetRef": {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": target.name},
                    "limits": {
                        key: {"rates": [{"limit": rate.limit, "window": rate.window} for rate in subscription.rates]}
                    },
                },
            }
        )
        condition = {
            "type": "Enforced",
            "status": status,
            "reason": "Enforced",
            "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
            "observedGeneration": stored["metadata"]["generation"] if generation is None else generation,
        }
        cluster.patch(ref, {"status": {"conditions": [condition]}}, subresource="/status")


@contextmanager
def when_applied(world, thing, act):
    """Run `act` in a thread of its own as soon as the object exists, as a controller would."""
    over = threading.Event()

    def control():
        while not over.wait(0.005):
            if world.estate.cluster.get(thing.ref) is not None:
                act()
                return

    thread = threading.Thread(target=control)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_everything_carries_the_runs_labels_and_goes_at_the_end(world):
    who = world.identity("team")
    subscription = world.subscription(who, awaited=False)
    policy = world.policy(who.group, awaited=False)
    world.settle()
    cluster = world.estate.cluster
    refs = [who.account, Ref("v1", "Namespace", who.account.namespace), subscription.ref, policy.ref]
    assert [(cluster.get(ref) or {})["metadata"]["labels"][RUN] for ref in refs] == ["testrun"] * 4
    world.remove()
    mine = [ref for ref in left_behind(cluster, run_id="testrun") if world.name in str(ref)]
    assert mine == []


def test_the_api_server_accepts_what_a_world_declares(world):
    who = world.identity()
    one = world.subscription(
        (who, "premium"), limit=5, window="10s", priority=7, token_metadata={"costCenter": "c"}, awaited=False
    )
    world.settle()
    spec = world.estate.cluster.get(one.ref)["spec"]
    assert spec["owner"] == {"users": [who.username], "groups": [{"name": "premium"}]}
    assert spec["priority"] == 7
    assert spec["modelRefs"][0]["tokenRateLimits"] == [{"limit": 5, "window": "10s"}]
    assert spec["tokenMetadata"] == {"costCenter": "c"}


def test_what_members_share_is_made_once_and_goes_when_the_worker_leaves(estate, recorder):
    own = Estate(estate.platform, run_id="sharing")
    first, second = (World(own, Wire(own.platform, own.client, recorder, ClientBook())) for _ in range(2))
    shared = first.common()
    entry = replace(shared, ref=replace(shared.ref, kind="MaaSAuthPolicy"))
    member = first.member()

    def act():
        activate(first, shared)
        enforce(first, shared)

    with when_applied(first, shared, act), when_applied(first, entry, lambda: activate(first, entry)):
        first.settle()
    uid = own.cluster.get(shared.ref)["metadata"]["uid"]
    other = second.member()
    assert second.common() == shared
    second.settle()
    assert shared.owner.include(member)
    assert shared.owner.include(other)
    assert not shared.owner.include(first.identity())
    first.remove()
    assert own.cluster.get(member.account) is None
    assert own.cluster.get(shared.ref)["metadata"]["uid"] == uid
    assert own.cluster.get(other.account) is not None
    second.remove()
    own.leave()
    assert left_behind(estate.cluster, run_id="sharing") == []


def test_what_members_share_is_awaited_anew_where_it_did_not_come_into_force(estate, recorder):
    own = Estate(estate.platform, run_id="late")
    for _ in range(2):
        world = World(own, Wire(own.platform, own.client, recorder, ClientBook()))
        world.common()
        with pytest.raises(NotReady, match="MaaSSubscription"):
            world.settle()
        world.remove()
    own.leave()
    assert left_behind(estate.cluster, run_id="late") == []


def test_a_token_is_the_identity_that_was_promised(world):
    who = world.identity("team")
    review = world.estate.cluster.post(
        "/apis/authentication.k8s.io/v1/tokenreviews",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": world.token(who).reveal()}},
        what="review a token",
    )
    assert review["status"]["authenticated"] is True
    assert review["status"]["user"]["username"] == who.username
    assert set(review["status"]["user"]["groups"]) == set(who.groups)


def test_a_token_for_another_audience_is_not_authenticated(world):
    who = world.identity()
    token = world.token(who, audiences=("https://elsewhere.example",))
    review = world.estate.cluster.post(
        "/apis/authentication.k8s.io/v1/tokenreviews",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token.reveal()}},
        what="review a token",
    )
    assert not review["status"].get("authenticated")


def test_settle_returns_when_status_says_that_the_limit_is_enforced(world):
    subscription = world.subscription(world.identity(), models=model(f"{world.name}-a"))

    def act():
        activate(world, subscription)
        enforce(world, subscription)

    with when_applied(world, subscription, act):
        world.settle()
    assert world.estate.cluster.get(limit_policy_ref(subscription.models[0])) is not None


@pytest.mark.parametrize(
    "how", [{"generation": 0}, {"status": "False"}], ids=["an older generation is enforced", "it is not enforced"]
)
def test_settle_is_not_fooled_by_a_limit_that_is_not_in_force(world, how):
    subscription = world.subscription(world.identity(), models=model(f"{world.name}-a"))

    def act():
        activate(world, subscription)
        enforce(world, subscription, **how)

    match = r"enforcing the limits.*within 1 s \(ready_bound_s\)"
    with when_applied(world, subscription, act), pytest.raises(NotReady, match=match):
        world.settle()


def test_a_subscription_that_fails_says_so(world):
    subscription = world.subscription(world.identity(), models=model(f"{world.name}-a"))
    fail = partial(activate, world, subscription, "Failed")
    with when_applied(world, subscription, fail), pytest.raises(NotReady, match="phase Failed"):
        world.settle()


def test_withdrawn_objects_are_gone(world):
    policy = world.policy(world.identity(), awaited=False)
    world.settle()
    world.withdraw(policy.ref)
    assert world.estate.cluster.get(policy.ref) is None


def test_models_that_are_open_to_everybody_come_last(estate, world):
    shared = world.subscription("system:authenticated", models=world.wire.platform.models[0], awaited=False)
    world.settle()
    activate(world, shared)
    estate.__dict__.pop("models", None)
    assert [handle.name for handle in estate.models] == ["closed", "open"]
    estate.__dict__.pop("models", None)


def test_a_check_that_needs_more_models_than_there_are_is_not_ready(world):
    with pytest.raises(NotReady, match="needs 3 governed models"):
        world.model(2)


def test_entitlements_take_both_gates(world):
    who, other = world.identity("x"), world.identity("y")
    allowed, withheld = model(f"{world.name}-allowed"), model(f"{world.name}-withheld")
    subscription = world.subscription(who.group, models=(allowed, withheld), awaited=False)
    policy = world.policy(who, models=allowed, awaited=False)
    world.policy(other, models=withheld, awaited=False)
    for handle in (allowed, withheld):
        ref = Ref(MAAS, "MaaSModelRef", handle.name, handle.namespace)
        world.declare(
            {
                "apiVersion": MAAS,
                "kind": "MaaSModelRef",
                "metadata": {"name": ref.name, "namespace": ref.namespace},
                "spec": {"modelRef": {"kind": "LLMInferenceService", "name": ref.name}},
            }
        )
    world.settle()
    for handle in (allowed, withheld):
        ref = Ref(MAAS, "MaaSModelRef", handle.name, handle.namespace)
        status = {"status": {"phase": "Ready", "resolvedModelAlias": handle.model_id}}
        world.estate.cluster.patch(ref, status, subresource="/status")
    activate(world, subscription)
    activate(world, policy)
    found = world.entitlements(who)
    assert found.models == {allowed.model_id}
    assert found.withheld == {withheld.model_id}
    assert world.entitlements(other).models == frozenset()


def test_a_rate_knows_its_length():
    assert [Rate(1, window).seconds for window in ("10s", "2m", "24h")] == [10, 120, 86400]


def test_a_twin_differs_in_name_and_gateway_alone(world):
    original = model(f"{world.name}-orig")
    manifest = {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "LLMInferenceService",
        "metadata": {"name": original.name, "namespace": "llm"},
        "spec": {
            "model": {"uri": "hf://x/y", "name": "org/orig"},
            "replicas": 1,
            "router": {"route": {}, "gateway": {"refs": [{"name": "a", "namespace": "b"}]}},
            "template": {
                "containers": [{"name": "main", "image": "i", "args": ["--model", "org/orig", "--x=org/orig", "keep"]}]
            },
        },
    }
    world.declare(manifest)
    world.settle()
    from harness.world.twin import twin_of

    twin = twin_of(world.estate.cluster, original, "copy", refs=None, registered=True)
    spec = twin.manifests[0]["spec"]
    assert spec["model"] == {"uri": "hf://x/y", "name": "copy"}
    assert "gateway" not in spec["router"]
    assert spec["template"]["containers"][0]["args"] == ["--model", "copy", "--x=copy", "keep"]
    assert spec["template"]["containers"][0]["image"] == "i"
    assert twin.manifests[1]["spec"]["modelRef"] == {"kind": "LLMInferenceService", "name": "copy"}
    assert json.dumps(twin.manifests).count("org/orig") == 0


def test_the_key_of_a_platform_that_refuses_is_a_verdict(world, recorder):
    from harness.engine.failure import NotConformant

    who = world.identity()
    subscription = world.subscription(who, awaited=False)
    with pytest.raises(NotConformant, match="201 with key and id"):
        world.key(who, subscription).secret()
    assert recorder.exchanges[-1].status is None
