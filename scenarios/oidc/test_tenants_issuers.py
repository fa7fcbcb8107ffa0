"""Issuers of tenants: each gateway takes the tokens of its own tenant's issuer, and of nobody else's."""

from harness.engine.declaration import check
from harness.world.expectations import challenge, expect, expect_refused, expect_served
from harness.world.oidc import CLIENT, OidcToken, OidcUser
from harness.world.world import World


@check("MAAS-MT-007", needs={"kube", "oidc", "tenants"})
def test_each_gateway_takes_tokens_of_its_own_tenants_issuer_alone(world: World) -> None:
    realm = world.realm("own")
    tenant = world.tenant(oidc={"issuerUrl": realm.url, "clientId": CLIENT})
    user = OidcUser(f"{world.name}-user")
    ours = OidcToken(world, world.issuer, user, awaited=False)
    theirs = OidcToken(world, realm, user, awaited=False)
    expect_served(world.caller(ours).models(), when="the platform's own tenant trusts the issuer of the token")
    answer, _ = world.until(tenant.caller(theirs).models, lambda seen: seen.status == 200)
    expect_served(answer, when="the tenant trusts the issuer of the token")
    expect_refused(
        world.caller(theirs).models(), 401, challenge, when="a tenant's user calls at another tenant's gateway"
    )
    expect_refused(
        tenant.caller(ours).models(),
        401,
        challenge,
        when="a user of the platform's issuer calls at the tenant's gateway",
    )
    expect_served(world.caller(ours).models(), when="the first token is tried again")
    expect_served(tenant.caller(theirs).models(), when="the second token is tried again")


@check("MAAS-AUTH-068", needs={"kube", "oidc", "any-token", "tenants"})
def test_without_the_issuers_keys_nobody_is_let_in_by_a_token(world: World) -> None:
    realm = world.realm("down")
    realm.switch(available=False)
    tenant = world.tenant(oidc={"issuerUrl": realm.url, "clientId": CLIENT})
    caller = tenant.caller(OidcToken(world, realm, OidcUser(f"{world.name}-user"), awaited=False))
    refused = caller.models()
    expect(
        refused.status is not None and refused.status >= 400,
        expected="a refusal while the issuer gives nobody its keys",
        observed=f"{refused.status or refused.error}",
        exchange=refused,
    )
    realm.switch(available=True)
    answer, _ = world.until(caller.models, lambda seen: seen.status == 200)
    expect_served(answer, when="the issuer answers again")
