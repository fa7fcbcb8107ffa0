"""What a new subscription says while it comes into force: nothing for a moment, and then what it waits for."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from harness.simulator.controllers.maas.backend import Backend
from harness.simulator.controllers.maas.names import SUBSCRIPTION_FINALIZER
from harness.simulator.controllers.maas.reconciler_subscription import UNTOLD_WAIT_S, SubscriptionReconciler
from harness.simulator.controllers.maas.subscriptionstatus import Listed, is_coming_into_force
from harness.simulator.controllers.maas.tokenlimit import Ledger, limit_policy
from harness.simulator.controllers.runtime.manifest import Key, Manifest
from tests.controllers.objects import made, said, subscription

MODEL = Key("llm", "m1")
GATEWAY = Key("openshift-ingress", "maas-default-gateway")
RATES = [{"limit": 100, "window": "1m"}]
ROUTE = made("HTTPRoute", "m1-kserve-route", spec={"parentRefs": [{"name": GATEWAY.name}]})
BACKEND = Backend(GATEWAY, route=ROUTE, attached=True, ready=True, endpoint="https://x/", alias="publishers/a")
SUBJECT = subscription("a", (MODEL, RATES))
KEY = Key(SUBJECT["metadata"]["namespace"], "a")


def listed(*conditions: str, generation: int = 1, **changes: Any) -> Listed:
    policy = limit_policy(MODEL, ROUTE, [SUBJECT])
    assert policy is not None
    policy["metadata"] |= {"uid": "p", "generation": generation}
    policy["status"] = {"conditions": said(*conditions)}
    return replace(Listed(MODEL, True, GATEWAY, BACKEND, policy), **changes)


@pytest.mark.parametrize(
    ("found", "coming"),
    [
        (listed(policy=None), True),
        (listed(), True),
        (listed("Accepted", "Enforced", generation=2), True),
        (listed("Accepted", "Enforced"), False),
        (listed("Accepted", "-Enforced"), False),
        (listed("-Accepted"), False),
        (listed(policy=None, elder=Key("llm", "older")), False),
        (listed(policy=None, backend=Backend(GATEWAY, "Pending", "Waiting for HTTPRoute to be created")), False),
        (Listed(MODEL, False, GATEWAY), False),
    ],
)
def test_only_what_nothing_stands_in_the_way_of_comes_into_force(found: Listed, coming: bool) -> None:
    assert is_coming_into_force(SUBJECT, [found], Ledger(), frozenset()) is coming


def test_a_missing_model_is_told_at_once_whatever_the_others_do() -> None:
    ghost = Listed(Key("llm", "ghost"), False, GATEWAY)
    assert not is_coming_into_force(SUBJECT, [listed(), ghost], Ledger(), frozenset())


class Cluster:
    """One subscription, and the phases that were written of it."""

    def __init__(self, **fields: Any) -> None:
        self.subject: Manifest = {**SUBJECT, **fields}
        self.phases: list[str] = []

    def store(self, _kind: Any) -> "Cluster":
        return self

    def get(self, _key: Key) -> Manifest:
        return self.subject

    async def add_finalizer(self, _kind: Any, manifest: Manifest, finalizer: str) -> Manifest:
        assert finalizer == SUBSCRIPTION_FINALIZER
        return manifest

    async def write_status(self, _kind: Any, _manifest: Manifest, wanted: Manifest) -> None:
        self.phases.append(wanted["phase"])


def reconciler(cluster: Cluster, *found: Listed) -> SubscriptionReconciler:
    """One to whom the subscription's model looks like each of these in turn, and like the last from then on."""
    looks = list(found)
    view = SimpleNamespace(
        cluster=cluster,
        settings=SimpleNamespace(quirks=frozenset()),
        tenant_of=lambda _: "t",
        gateway_of_tenant=lambda _: GATEWAY,
        peers_of=lambda _: [],
    )
    made_of: Any = SubscriptionReconciler(view, Ledger(), None)  # type: ignore[arg-type]  # what it asks of a view is there
    made_of._listed = lambda *_: looks.pop(0) if len(looks) > 1 else looks[0]
    subject: SubscriptionReconciler = made_of
    return subject


def test_a_new_subscription_says_active_first_where_it_comes_into_force_in_time() -> None:
    async def scenario() -> list[str]:
        cluster = Cluster()
        subject = reconciler(cluster, listed(policy=None), listed("Accepted", "Enforced"))
        again = await subject.reconcile(KEY)
        assert again is not None
        assert 0 < again <= UNTOLD_WAIT_S
        assert cluster.phases == []
        assert await subject.reconcile(KEY) is None
        return cluster.phases

    assert asyncio.run(scenario()) == ["Active"]


def test_a_subscription_that_waits_longer_says_so() -> None:
    async def scenario() -> list[str]:
        cluster = Cluster()
        subject = reconciler(cluster, listed(policy=None))
        await subject.reconcile(KEY)
        subject._untold[KEY] -= UNTOLD_WAIT_S
        assert await subject.reconcile(KEY) is None
        return cluster.phases

    assert asyncio.run(scenario()) == ["Degraded"]


def test_one_that_has_said_something_before_says_at_once_that_it_waits() -> None:
    cluster = Cluster(status={"phase": "Active", "conditions": []})
    assert asyncio.run(reconciler(cluster, listed("Accepted", "Enforced", generation=2)).reconcile(KEY)) is None
    assert cluster.phases == ["Degraded"]
