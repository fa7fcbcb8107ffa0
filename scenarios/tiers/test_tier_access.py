"""Access by tiers, as the annotation of a model grants it: Roles and RoleBindings for the ServiceAccounts of each tier's namespace."""

import pytest

from harness.engine.declaration import check
from harness.kube.access import Permission, may_as
from harness.kube.events import events_about
from harness.kube.manifest import Manifest, condition
from harness.platforms.platform import Need
from harness.world.expectations import expect, expect_equal
from harness.world.patience import until
from harness.world.twin import Twin, Variant
from harness.world.world import World

ANNOTATION = "alpha.maas.opendatahub.io/tiers"
TIERS = ("free", "premium", "enterprise")
RBAC = "rbac.authorization.k8s.io/v1"
NEEDS: tuple[Need, ...] = ("kube", "models", "tiers")


def tiered(world: World, tiers: str | None) -> Twin:
    """A model of the check's own with that annotation."""
    return world.new_model(registered=False, variant=Variant(annotations={ANNOTATION: tiers} if tiers else {}))


def annotate(world: World, twin: Twin, tiers: str | None) -> None:
    """Change the annotation; None removes it."""
    world.estate.cluster.patch(twin.backend, {"metadata": {"annotations": {ANNOTATION: tiers}}})


def group_of(tier: str) -> str:
    """The group of a tier's ServiceAccounts."""
    return f"system:serviceaccounts:maas-default-gateway-tier-{tier}"


def may_post(world: World, twin: Twin, tier: str) -> bool:
    """Whether a ServiceAccount of the tier may POST to the model, by the API server's word."""
    permission = Permission(
        "post", "llminferenceservices", "serving.kserve.io", twin.handle.namespace, name=twin.handle.name
    )
    account = f"system:serviceaccount:maas-default-gateway-tier-{tier}:somebody"
    groups = ("system:serviceaccounts", group_of(tier), "system:authenticated")
    return may_as(world.estate.cluster, permission, user=account, groups=groups)


def bound_tiers(world: World, twin: Twin) -> set[str]:
    """Tiers for whose group a RoleBinding gives a Role of this model alone, for POST alone."""
    cluster, namespace = world.estate.cluster, twin.handle.namespace
    roles = {
        role["metadata"]["name"]
        for role in cluster.objects(RBAC, "Role", namespace=namespace)
        if _grants_post(role, twin.handle.name)
    }
    groups = {
        subject["name"]
        for binding in cluster.objects(RBAC, "RoleBinding", namespace=namespace)
        if binding["roleRef"]["kind"] == "Role" and binding["roleRef"]["name"] in roles
        for subject in binding.get("subjects") or ()
        if subject["kind"] == "Group"
    }
    return {tier for tier in TIERS if group_of(tier) in groups}


def expect_tiers(world: World, twin: Twin, *tiers: str, when: str) -> None:
    """These tiers are bound and may POST, and no others; models that were declared are made first, all of them together."""
    world.settle()
    wanted = set(tiers)
    bound, _ = until(lambda: bound_tiers(world, twin), lambda found: found == wanted, world.estate.ready_bound)
    expect_equal(sorted(bound), sorted(wanted), of=f"tiers with a Role and a RoleBinding when {when}")
    allowed = {tier for tier in (*TIERS, "unheard-of") if may_post(world, twin, tier)}
    expect_equal(sorted(allowed), sorted(wanted), of=f"tiers that may POST when {when}")


@check("MAAS-TIER-001", needs=NEEDS)
def test_an_empty_list_grants_every_tier(world: World) -> None:
    twin = tiered(world, "[]")
    expect_tiers(world, twin, *TIERS, when="the annotation is []")


@check("MAAS-TIER-002", needs=NEEDS)
def test_a_list_grants_the_tiers_that_it_names(world: World) -> None:
    twin = tiered(world, '["premium","enterprise"]')
    expect_tiers(world, twin, "premium", "enterprise", when="the annotation names premium and enterprise")


@check("MAAS-TIER-003", needs=NEEDS)
def test_a_model_without_the_annotation_grants_no_tier(world: World) -> None:
    never, twin = tiered(world, None), tiered(world, "[]")
    expect_tiers(world, twin, *TIERS, when="the annotation is []")
    expect_tiers(world, never, when="there was never an annotation")
    annotate(world, twin, None)
    expect_tiers(world, twin, when="the annotation was removed")


@check("MAAS-TIER-004", needs=NEEDS)
def test_an_edited_list_takes_and_gives(world: World) -> None:
    twin = tiered(world, '["free","premium"]')
    expect_tiers(world, twin, "free", "premium", when="the annotation names free and premium")
    annotate(world, twin, '["premium","enterprise"]')
    expect_tiers(world, twin, "premium", "enterprise", when="free was replaced by enterprise")


@pytest.mark.parametrize(
    "wrong", ["not-json", '"premium"', '["gold"]'], ids=["not-json", "bare-string", "unknown-tier"]
)
@check("MAAS-TIER-005", needs=NEEDS)
def test_a_malformed_annotation_grants_nothing_and_is_reported(world: World, wrong: str) -> None:
    twin = tiered(world, '["premium"]')
    expect_tiers(world, twin, "premium", when="the annotation names premium")
    annotate(world, twin, wrong)
    expect_tiers(world, twin, when=f"the annotation is {wrong}")
    reports, _ = until(lambda: complaints(world, twin), bool, world.estate.ready_bound)
    expect(bool(reports), expected="a warning event or a condition that tells of the annotation", observed="neither")
    found = world.estate.cluster.get(twin.backend) or {}
    expect_equal((condition(found, "Ready") or {}).get("status"), "True", of="Ready of the model itself")


def complaints(world: World, twin: Twin) -> list[str]:
    """What the model's events and conditions say against its annotation."""
    events = [one.message for one in events_about(world.estate.cluster, twin.backend) if one.severity == "Warning"]
    found = world.estate.cluster.get(twin.backend) or {}
    conditions = (found.get("status") or {}).get("conditions") or []
    said = [*events, *(str(one.get("message")) for one in conditions if one.get("status") == "False")]
    return [text for text in said if "tier" in text.lower()]


def _grants_post(role: Manifest, model: str) -> bool:
    rules = role.get("rules") or []
    return len(rules) == 1 and all(
        rule.get("verbs") == ["post"]
        and rule.get("resources") == ["llminferenceservices"]
        and rule.get("resourceNames") == [model]
        for rule in rules
    )
