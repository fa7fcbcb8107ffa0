"""Users of the issuer that the platform's tenant trusts: whom their tokens make them, and what they may then do."""

from functools import partial

import pytest

from harness.engine.declaration import check
from harness.world.expectations import (
    expect,
    expect_equal,
    expect_json,
    expect_served,
    expect_status,
    listed_ids,
    model_ids,
)
from harness.world.identity import AUTHENTICATED
from harness.world.oidc import CLIENT, OidcToken
from harness.world.sandwich import Sandwich
from harness.world.world import World


@check("MAAS-AUTH-010", needs={"kube", "oidc"})
def test_a_user_of_the_issuer_lists_mints_and_infers(world: World) -> None:
    user = world.oidc_user(world.group("team"))
    subscription = world.subscription(user.claimed[0])
    world.policy(user.claimed[0])
    key = world.key(user, subscription)
    person = world.person(user, subscription)
    expect(
        world.model().model_id in model_ids(person.models()),
        expected="the model that the user's group may call",
        observed="it is not listed",
    )
    expect_served(world.caller(key, identity=user, subscription=subscription).infer(), when="the key is the user's own")
    shown = expect_status(person.manage("GET", f"/v1/api-keys/{key.id}"), 200, when="the owner reads the key")
    expect_equal(expect_json(shown).get("username"), user.username, of="the key's owner", exchange=shown)


@check("MAAS-AUTH-010", needs={"kube", "oidc"})
def test_a_user_without_a_name_is_called_by_the_subject(world: World) -> None:
    user = world.oidc_user(username=f"{world.name}-subject")
    world.subscription(user)
    world.policy(user)
    nameless = OidcToken(world, world.issuer, user, {"preferred_username": None, "sub": user.username})
    expect_served(world.person(user).models())
    listing = expect_served(world.caller(nameless).models(), when="the token says nobody's name and a subject")
    expect(
        world.model().model_id in model_ids(listing),
        expected="what the user called like the subject may call",
        observed=repr(model_ids(listing)),
        exchange=listing,
    )


@check("MAAS-AUTH-010", "MAAS-AUTH-009", needs={"kube", "oidc"})
def test_a_token_serves_for_inference_when_it_names_a_subscription(world: World) -> None:
    user = world.oidc_user()
    subscription = world.subscription(user)
    world.policy(user)
    person = world.person(user, subscription)
    expect_served(
        person.infer(headers={"X-MaaS-Subscription": subscription.name}), when="the user calls with the token itself"
    )


@check("MAAS-AUTH-015", needs={"kube", "oidc"})
def test_a_user_without_groups_is_somebody_who_is_authenticated(world: World) -> None:
    user = world.oidc_user()
    world.settle()
    bare = world.caller(OidcToken(world, world.issuer, user, {"groups": None}))
    listing = expect_served(bare.models(), when="the token names no group")
    expect_equal(
        set(model_ids(listing)),
        set(world.entitlements(user).models),
        of=f"models that are open to {AUTHENTICATED}, or to a user without any group",
        exchange=listing,
    )


@check("MAAS-REV-006", "MAAS-KEY-042", needs={"kube", "oidc"})
def test_leaving_a_group_ends_what_tokens_may_do_and_not_what_keys_may(world: World, sandwich: Sandwich) -> None:
    group = world.group("team")
    member = world.oidc_user(group)
    subscription = world.subscription(group)
    world.policy(group)
    former = world.oidc_user(username=member.username)
    holder = world.subscriber(member, subscription)
    naming = {"X-MaaS-Subscription": subscription.name}
    expect_served(world.person(member, subscription).infer(headers=naming), when="the user is in the group")
    when = "the key was minted while the user was in the group"
    expect_served(holder.infer(), when=when, requirement="MAAS-KEY-042")
    outside = world.person(former, subscription)
    expect(
        world.model().model_id not in listed_ids(expect_served(outside.models())),
        expected="nothing of the group is listed once the user has left it",
        observed="its model is listed",
    )
    sandwich(
        control=holder.infer,
        denied=partial(outside.infer, headers=naming),
        status=403,
        when="the user has left the group, and calls with a new token",
    )


@check("MAAS-AUTH-019", needs={"kube", "oidc"})
def test_tokens_of_the_cluster_count_beside_those_of_the_issuer(world: World) -> None:
    account, user = world.identity(), world.oidc_user()
    expect_status(world.person(account).models(), 200, when="a ServiceAccount's token is a JWT of another issuer")
    expect_status(world.person(user).models(), 200, when="the token is the issuer's")


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
@check("MAAS-AUTH-010", needs={"kube", "oidc"})
def test_tokens_signed_with_a_new_key_count_at_once_and_old_ones_still_do(world: World, algorithm: str) -> None:
    user = world.oidc_user()
    before = world.person(user)
    expect_status(before.models(), 200, when="the token is signed with the key that was there first")
    after = world.caller(OidcToken(world, world.issuer, user, awaited=False, kid=world.issuer.new_key(algorithm)))
    answer, seconds = world.until(after.models, lambda seen: seen.status == 200)
    world.wire.recorder.characteristic("issuer_key_rotation_seen", seconds, "s")
    expect_status(answer, 200, when="the issuer has published a new key, and signs with it")
    expect_status(before.models(), 200, when="the old key is published still")


@check("MAAS-AUTH-012", needs={"kube", "oidc"})
def test_a_token_for_another_client_is_forbidden(world: World, sandwich: Sandwich) -> None:
    user = world.oidc_user()
    sandwich(
        control=world.person(user).models,
        denied=world.caller(OidcToken(world, world.issuer, user, {"azp": f"{CLIENT}-of-others"})).models,
        status=403,
        when="the token was issued to another client",
    )


@check("MAAS-AUTH-012", needs={"kube", "oidc", "any-token"})
def test_a_token_for_a_client_without_a_name_is_forbidden(world: World, sandwich: Sandwich) -> None:
    user = world.oidc_user()
    sandwich(
        control=world.person(user).models,
        denied=world.caller(OidcToken(world, world.issuer, user, {"azp": ""})).models,
        status=403,
        when="the token was issued to an empty name",
    )


@check("MAAS-AUTH-013", needs={"kube", "oidc", "any-token"})
def test_a_token_that_names_no_client_and_another_audience_is_forbidden(world: World, sandwich: Sandwich) -> None:
    user = world.oidc_user()
    claims = {"azp": None, "aud": "a-shop-of-somebody"}
    sandwich(
        control=world.person(user).models,
        denied=world.caller(OidcToken(world, world.issuer, user, claims)).models,
        status=403,
        when="the token was meant for another program of the same issuer",
    )


@pytest.mark.parametrize(
    "group", ["unsafe;group", 'a","b', "line\nbreak", "a b"], ids=["semicolon", "quote", "line", "space"]
)
@check("MAAS-AUTH-014", "MAAS-SEC-011", needs={"kube", "oidc"})
def test_one_unsafe_group_forbids_the_token(world: World, sandwich: Sandwich, group: str) -> None:
    user = world.oidc_user(world.group("team"))
    claims = {"groups": [*user.claimed, group]}
    sandwich(
        control=world.person(user).models,
        denied=world.caller(OidcToken(world, world.issuer, user, claims)).models,
        status=403,
        when="one of the token's groups could break out of a header",
    )


@check("MAAS-KEY-088", needs={"kube", "oidc"})
def test_an_issuers_group_never_makes_an_administrator(world: World) -> None:
    user, stranger = world.oidc_user(), world.identity()
    expect_status(world.person(user).models(), 200, when="the user is in no group of the cluster's")
    impostor = world.caller(OidcToken(world, world.issuer, user, {"groups": ["system:masters"]}))
    searched = impostor.manage("POST", "/v1/api-keys/search", json={"filters": {"username": stranger.username}})
    expect(
        searched.status != 200,
        expected="no administrator's answer for whoever an issuer puts into system:masters",
        observed="200",
        exchange=searched,
    )


@check("MAAS-KEY-088", needs={"kube", "oidc"})
def test_an_issuers_user_is_never_taken_for_one_of_the_cluster(world: World) -> None:
    account, user = world.identity(), world.oidc_user()
    world.subscription(account)
    world.policy(account)
    control = expect_served(world.person(account).models())
    expect(
        world.model().model_id in listed_ids(control),
        expected="the ServiceAccount lists what it may call",
        observed=repr(sorted(listed_ids(control))),
        exchange=control,
    )
    impostor = world.caller(OidcToken(world, world.issuer, user, {"preferred_username": account.username}))
    listing = impostor.models()
    expect(
        world.model().model_id not in listed_ids(listing),
        expected="nothing of a ServiceAccount's for whoever an issuer calls like it",
        observed="its model is listed",
        exchange=listing,
    )
