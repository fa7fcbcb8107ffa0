"""What an administrator may do with the keys of others, how one becomes an administrator, and ceases to be one."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import pytest

from harness.client.exchange import Exchange
from harness.engine.declaration import check
from harness.kube.wait import Bound
from harness.platforms.platform import Need
from harness.world.administrator import appoint
from harness.world.apikey import ApiKey
from harness.world.caller import Caller
from harness.world.expectations import expect, expect_equal, expect_refused, expect_served, expect_status, flat_error
from harness.world.governance import Subscription
from harness.world.identity import Identity
from harness.world.patience import until
from harness.world.sandwich import Sandwich
from harness.world.world import World

NEEDS: tuple[Need, ...] = ("kube", "administrators")
GRANT: Final = Bound("a new administrator waits at most 2 s, and what a watch takes", 5)
REMOVAL: Final = Bound("a former administrator keeps the right for at most 30 s, and what a watch takes", 33)
BULK: Final = "/v1/api-keys/bulk-revoke"


def administrator(world: World) -> Caller:
    """Somebody with the right, who is known to have it."""
    who = world.identity()
    appoint(world, who)
    person = world.person(who)
    answer, _ = until(partial(revoke, person, {"username": "nobody-at-all"}), lambda seen: seen.status == 200, GRANT)
    expect_status(answer, 200, when="an administrator was appointed", requirement="MAAS-KEY-087")
    return person


def revoke(person: Caller, scope: Mapping[str, str], *, dry: bool = False) -> Exchange:
    """A bulk revocation; `dry` only counts."""
    return person.manage("POST", BULK, json={**scope, **({"dryRun": True} if dry else {})})


def keys_of_two_users(
    world: World,
) -> tuple[dict[str, ApiKey], tuple[Identity, Identity], tuple[Subscription, Subscription]]:
    """Alice has a key for each of two subscriptions, Bob one for the first, which nobody else has; all of them minted."""
    alice, bob = world.member(), world.identity()
    shared, own = world.subscription((alice, bob)), world.common()
    keys = {
        "alice-shared": world.key(alice, shared),
        "alice-own": world.key(alice, own),
        "bob-shared": world.key(bob, shared),
    }
    for key in keys.values():
        assert key.id
    return keys, (alice, bob), (shared, own)


def active_of(person: Caller, keys: dict[str, ApiKey]) -> set[str]:
    """Which of the keys an administrator sees as active."""
    found = set()
    for name, key in keys.items():
        read = expect_served(person.manage("GET", f"/v1/api-keys/{key.id}"), when="an administrator reads a key")
        found |= {name} if read.json().get("status") == "active" else set()
    return found


@pytest.mark.parametrize(
    ("by", "left"),
    [
        pytest.param(("subscription",), {"alice-own"}, id="subscription"),
        pytest.param(("username",), {"bob-shared"}, id="user"),
        pytest.param(("username", "subscription"), {"alice-own", "bob-shared"}, id="both"),
    ],
)
@check("MAAS-KEY-083", "MAAS-KEY-084", needs=NEEDS)
def test_an_administrator_revokes_exactly_what_was_meant(world: World, by: tuple[str, ...], left: set[str]) -> None:
    """First as a dry run, which tells the number and changes nothing, then in earnest."""
    keys, (alice, _), (shared, _) = keys_of_two_users(world)
    person = administrator(world)
    scope = {name: {"username": alice.username, "subscription": shared.name}[name] for name in by}
    due = len(keys) - len(left)
    tried = expect_status(
        revoke(person, scope, dry=True), 200, when="a dry run is asked for", requirement="MAAS-KEY-084"
    )
    told = tried.json()
    expect_equal(
        (told.get("revokedCount"), told.get("dryRun")), (due, True), of="revokedCount, dryRun", exchange=tried,
        requirement="MAAS-KEY-084",
    )  # fmt: skip
    expect(
        not any(key.id in tried.text for key in keys.values()) and isinstance(told.get("message"), str),
        expected="a message and no id of a key",
        observed=tried.text,
        exchange=tried,
        requirement="MAAS-KEY-084",
    )
    expect_equal(active_of(person, keys), set(keys), of="active keys after the dry run", requirement="MAAS-KEY-084")
    done = expect_status(
        revoke(person, scope), 200, when=f"an administrator revokes by {by}", requirement="MAAS-KEY-083"
    )
    expect_equal(
        (done.json().get("revokedCount"), "dryRun" in done.json()), (due, False), of="revokedCount, dryRun", exchange=done,
        requirement="MAAS-KEY-083",
    )  # fmt: skip
    expect_equal(active_of(person, keys), left, of="active keys afterwards", exchange=done, requirement="MAAS-KEY-083")
    again = expect_status(
        revoke(person, scope), 200, when="there is nothing left to revoke", requirement="MAAS-KEY-083"
    )
    expect_equal(again.json().get("revokedCount"), 0, of="revokedCount", exchange=again, requirement="MAAS-KEY-083")


@check("MAAS-KEY-084", needs={"kube"})
def test_a_dry_run_on_ones_own_keys_changes_nothing(world: World) -> None:
    who, subscription = world.member(), world.common()
    key, person = world.key(who, subscription), world.person(who)
    assert key.id
    tried = expect_status(
        revoke(person, {"username": who.username}, dry=True), 200, when="a dry run counts one's own keys"
    )
    told = tried.json()
    expect_equal((told.get("revokedCount"), told.get("dryRun")), (1, True), of="revokedCount, dryRun", exchange=tried)
    read = expect_served(person.manage("GET", f"/v1/api-keys/{key.id}"))
    expect_equal(read.json().get("status"), "active", of="status after the dry run", exchange=read)


@pytest.mark.parametrize(
    "body",
    [{}, {"username": "  "}, {"username": "", "subscription": " "}, {"dryRun": True}],
    ids=["nothing", "blank-user", "blanks", "only-dry"],
)
@check("MAAS-KEY-081", needs={"kube"})
def test_a_revocation_of_everybodys_keys_is_not_a_wish(world: World, body: dict[str, Any]) -> None:
    who, subscription = world.member(), world.common()
    key, person = world.key(who, subscription), world.person(who)
    assert key.id
    expect_refused(
        person.manage("POST", BULK, json=body),
        400,
        flat_error(text="at least one of username or subscription is required"),
        when=f"neither a user nor a subscription is named: {body}",
    )
    read = expect_served(person.manage("GET", f"/v1/api-keys/{key.id}"))
    expect_equal(read.json().get("status"), "active", of="status of the caller's key", exchange=read)


@check("MAAS-KEY-087", "MAAS-KEY-060", needs=NEEDS)
def test_a_right_in_kubernetes_makes_an_administrator_and_its_loss_unmakes_one(
    world: World, sandwich: Sandwich
) -> None:
    """Refused, appointed, served, dismissed, refused: each within its bound, and never for anybody else."""
    victim, who, bystander = world.member(), world.identity(), world.identity()
    key = world.key(victim, world.common())
    assert key.id
    person, other = world.person(who), world.person(bystander)
    wanted = {"filters": {"username": victim.username}}
    look = partial(person.manage, "POST", "/v1/api-keys/search", json=wanted)
    refusal = flat_error(text="non-admin users can only search their own API keys")
    expect_refused(look(), 403, refusal, when="somebody without the right searches for another's keys")
    binding = appoint(world, who)
    granted, seconds = until(look, lambda seen: seen.status == 200, GRANT)
    expect_status(granted, 200, when=f"the right was given {seconds:.1f} s ago")
    world.wire.recorder.characteristic("administrator_appointed", seconds, "s")
    expect_equal([item["id"] for item in granted.json()["data"] or ()], [key.id], of="keys found", exchange=granted)
    sandwich(
        control=look,
        denied=partial(other.manage, "POST", "/v1/api-keys/search", json=wanted),
        status=403,
        shape=refusal,
        when="another than the administrator searches",
    )
    world.withdraw(binding)
    taken, seconds = until(look, lambda seen: seen.status == 403, REMOVAL)
    expect_refused(taken, 403, refusal, when=f"the right was taken away {seconds:.1f} s ago")
    world.wire.recorder.characteristic("administrator_dismissed", seconds, "s")


@check("MAAS-KEY-087", needs=NEEDS)
def test_no_other_right_makes_an_administrator(world: World) -> None:
    """The same right elsewhere, and other rights where subscriptions live; a real administrator shows that they have had time."""
    victim = world.member()
    key = world.key(victim, world.common())
    assert key.id
    home = world.wire.platform.namespaces.subscriptions
    grants = {
        "the right in another namespace": (world.space("elsewhere"), "maasauthpolicies", ["create"]),
        "other verbs": (home, "maasauthpolicies", ["get", "list", "update", "patch", "delete"]),
        "another kind": (home, "maassubscriptions", ["create"]),
    }
    people = {what: world.identity() for what in grants}
    for number, (what, (namespace, plural, verbs)) in enumerate(grants.items()):
        grant(world, people[what], f"{world.name}-{number}", namespace, plural, verbs)
    world.settle()
    chief, search = administrator(world), {"filters": {"username": victim.username}}
    look = ("POST", "/v1/api-keys/search")
    expect_served(chief.manage(*look, json=search), when="an administrator searches for another's keys")
    for what, who in people.items():
        person = world.person(who)
        refusal = flat_error(text="non-admin users can only search their own API keys")
        expect_refused(person.manage(*look, json=search), 403, refusal, when=f"somebody with {what} searches")
        refusal = flat_error(text="Access denied: admin privileges required for this bulk revoke operation")
        expect_refused(
            revoke(person, {"username": victim.username}), 403, refusal, when=f"somebody with {what} revokes"
        )


def grant(world: World, who: Identity, name: str, namespace: str, plural: str, verbs: list[str]) -> None:
    """Declare a right of that identity."""
    account, rbac = who.account, "rbac.authorization.k8s.io"
    metadata = {"name": name, "namespace": namespace}
    rules = [{"apiGroups": ["maas.opendatahub.io"], "resources": [plural], "verbs": verbs}]
    subjects = [{"kind": account.kind, "name": account.name, "namespace": account.namespace}]
    role_ref = {"apiGroup": rbac, "kind": "Role", "name": name}
    world.declare(
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": role_ref,
            "subjects": subjects,
        },
    )
