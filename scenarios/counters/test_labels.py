"""Which labels the token counters carry: what a tenant's configuration switches on, and nothing that it does not."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from harness.engine.declaration import check
from harness.kube.manifest import Manifest, Ref
from harness.kube.wait import Bound, Expectation, is_gone
from harness.ledger.counters import CALLS, HITS, LIMITED, Sample
from harness.platforms.platform import Need
from harness.world.caller import Caller
from harness.world.estate import Estate
from harness.world.expectations import expect, expect_equal, expect_served
from harness.world.governance import MAAS
from harness.world.patience import until
from harness.world.quota import spend
from harness.world.tenant import Tenant, await_object
from harness.world.world import World

METADATA: Final = {"organizationId": "org-9", "costCenter": "cc-9"}
USUAL: Final[Mapping[str, bool]] = {
    "captureOrganization": True,
    "captureUser": False,
    "captureGroup": False,
    "captureModelUsage": True,
}
LABEL_OF: Final = {
    "captureOrganization": "organization_id",
    "captureUser": "user",
    "captureGroup": "group",
    "captureModelUsage": "model",
}
KNOWN: Final = frozenset({"subscription", "cost_center", *LABEL_OF.values()})
"""Labels that a tenant decides about; a scrape may add others, such as the Pod's name."""
TENANTS: Final[tuple[Need, ...]] = ("kube", "metrics", "kuadrant", "tenants")


def wanted(switches: Mapping[str, bool]) -> frozenset[str]:
    """The labels of a call whose subscription has a cost centre and an organisation."""
    on = {**USUAL, **switches}
    return frozenset({"subscription", "cost_center", *(label for switch, label in LABEL_OF.items() if on[switch])})


def samples(estate: Estate, metric: str, subscription: str) -> tuple[Sample, ...]:
    """The series of a subscription, as soon as there is one, or nothing when the platform's bound for metrics is over."""
    counters = estate.counters
    assert counters is not None
    bound = Bound("metrics_bound_s", estate.platform.parameters.metrics_bound_s)
    reading, _ = until(counters.read, lambda now: bool(now.of(metric, subscription)), bound)
    return reading.of(metric, subscription)


def expect_labels(found: tuple[Sample, ...], labels: frozenset[str], *, of: str) -> Mapping[str, str]:
    """One series, whose labels among the known ones are exactly these; all of its labels."""
    expect_equal(len(found), 1, of=f"series of {of}")
    present = {label for label, value in found[0].labels.items() if label in KNOWN and value}
    expect_equal(sorted(present), sorted(labels), of=f"labels of {of}")
    return found[0].labels


def consumer(world: World) -> Caller:
    """A new customer whose subscription says whom to send the bill to."""
    who = world.identity()
    subscription = world.subscription(who, limit=70, token_metadata=METADATA)
    world.policy(who)
    return world.subscriber(who, subscription)


@check("MAAS-TOK-010", "MAAS-TOK-027", needs={"kube", "metrics", "kuadrant"})
def test_counters_carry_the_labels_of_the_configuration_and_their_values(world: World, estate: Estate) -> None:
    place = world.wire.platform.namespaces.subscriptions
    config = estate.cluster.get(Ref(MAAS, "MaasTenantConfig", "default-tenant", place)) or {}
    telemetry = (config.get("spec") or {}).get("telemetry") or {"enabled": False}
    if not telemetry.get("enabled", True):
        pytest.skip("not runnable: the default tenant has no telemetry switched on")
    switches = telemetry.get("metrics") or {}
    caller = consumer(world)
    spend(caller.infer, limit=70)
    account = caller.account()
    labels = expect_labels(samples(estate, HITS, account.subscription), wanted(switches), of=HITS)
    told = {
        "subscription": account.subscription,
        "cost_center": METADATA["costCenter"],
        "organization_id": METADATA["organizationId"],
        "user": account.user,
        "model": caller.model.served_name,
    }
    for label in wanted(switches) & set(told):
        expect_equal(labels[label], told[label], of=f"label {label}")
    for metric in (CALLS, LIMITED):
        expect_labels(samples(estate, metric, account.subscription), wanted(switches) - {"model"}, of=metric)


def configured(tenant: Tenant, telemetry: Mapping[str, Any]) -> None:
    """Have the tenant's configuration say that of telemetry."""
    spec = {"telemetry": telemetry}
    metadata = {"name": tenant.config.name, "namespace": tenant.config.namespace}
    tenant.edit({"apiVersion": MAAS, "kind": "MaasTenantConfig", "metadata": metadata, "spec": spec}, ())


def policy_of(tenant: Tenant) -> Ref:
    """The TelemetryPolicy of the tenant's gateway."""
    return Ref(
        "extensions.kuadrant.io/v1alpha1", "TelemetryPolicy", f"maas-telemetry-{tenant.name}", tenant.gateway.namespace
    )


def in_force(tenant: Tenant, labels: frozenset[str]) -> Expectation:
    """The policy has these labels, and the gateway has acknowledged it as it is."""

    def holds(found: Manifest | None) -> bool:
        if found is None or set(found["spec"]["metrics"]["default"]["labels"]) != labels:
            return False
        conditions = (found.get("status") or {}).get("conditions") or []
        return any(
            one["type"] == "Enforced"
            and one["status"] == "True"
            and one.get("observedGeneration", 0) >= found["metadata"].get("generation", 0)
            for one in conditions
        )

    return Expectation(policy_of(tenant), f"labels {', '.join(sorted(labels))}, Enforced=True", holds)


@check("MAAS-TOK-010", needs=TENANTS)
def test_labels_appear_and_go_as_a_tenant_switches_them(world: World, estate: Estate) -> None:
    tenant = world.tenant()
    switches = {"captureUser": True, "captureGroup": True, "captureOrganization": False, "captureModelUsage": False}
    configured(tenant, {"metrics": switches})
    await_object(tenant, in_force(tenant, wanted(switches)))
    who = tenant.identity("team")
    subscription = tenant.subscription(who, token_metadata=METADATA)
    tenant.policy(who)
    caller = tenant.subscriber(who, subscription)
    expect_served(caller.infer())
    labels = expect_labels(samples(estate, HITS, subscription.name), wanted(switches), of=HITS)
    expect_equal(labels["user"], who.username, of="label user")
    expect(who.group in labels["group"], expected=f"the caller's group {who.group}", observed=labels["group"])


@check("MAAS-TOK-011", needs=TENANTS)
def test_a_tenant_that_says_nothing_of_telemetry_has_the_documented_labels(world: World, estate: Estate) -> None:
    tenant = world.common_tenant()
    await_object(tenant, in_force(tenant, wanted({})))
    caller = consumer(tenant)
    expect_served(caller.infer())
    expect_labels(samples(estate, HITS, caller.account().subscription), wanted({}), of=HITS)


@check("MAAS-TOK-011", needs=TENANTS)
def test_telemetry_that_is_switched_off_labels_nothing(world: World, estate: Estate) -> None:
    tenant = world.tenant()
    configured(tenant, {"enabled": False})
    await_object(tenant, is_gone(policy_of(tenant)))
    caller = tenant.customer()
    counters = estate.counters
    assert counters is not None

    def unlabelled() -> float:
        expect_served(caller.infer())
        found = counters.read().samples
        domains = [
            one for one in found if one.metric == HITS and caller.model.name in one.labels["limitador_namespace"]
        ]
        return sum(one.value for one in domains if not KNOWN & set(one.labels))

    bound = Bound("metrics_bound_s", estate.platform.parameters.metrics_bound_s)
    counted, _ = until(unlabelled, lambda tokens: tokens > 0, bound)
    expect(counted > 0, expected="tokens counted without any label of MaaS", observed="none")
    before = [counters.read().total(metric, caller.account().subscription) for metric in (HITS, CALLS)]
    expect_served(caller.infer())
    after = [counters.read().total(metric, caller.account().subscription) for metric in (HITS, CALLS)]
    expect_equal(after, before, of="what is counted under the subscription's name once telemetry is off")
