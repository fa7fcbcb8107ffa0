"""How long keys of a tenant may live, as its MaasTenantConfig says."""

from datetime import timedelta

from harness.client.exchange import Exchange
from harness.engine.declaration import check
from harness.platforms.platform import Need
from harness.world.expectations import expect_equal, expect_refused, expect_status, flat_error
from harness.world.moment import expect_lifetime
from harness.world.world import World

NEEDS: tuple[Need, ...] = ("kube", "models", "tenants")
DAYS = 3


@check("MAAS-CRD-091", "MAAS-KEY-020", needs=NEEDS)
def test_a_tenant_says_how_long_its_keys_may_live(world: World) -> None:
    """And says it of its own keys alone: those of the default tenant live as long as before."""
    tenant, who = world.tenant(), world.identity()
    subscription = tenant.subscription(who)
    tenant.policy(who)
    tenant.settle()
    person, elsewhere = tenant.person(who), world.person(who)
    assert tenant.key(who, subscription).id
    before = longest(elsewhere.manage("GET", "/v1/api-keys/config"))
    world.estate.cluster.patch(tenant.config, {"spec": {"apiKeys": {"maxExpirationDays": DAYS}}})
    answer, _ = world.until(
        lambda: person.manage("GET", "/v1/api-keys/config"),
        lambda seen: seen.status == 200 and longest(seen) == DAYS,
    )
    expect_status(answer, 200, when="the configuration of keys is read", requirement="MAAS-CRD-091")
    expect_equal(longest(answer), DAYS, of="max_expiration_days", exchange=answer, requirement="MAAS-CRD-091")
    body = {"name": "key", "subscription": subscription.name}
    for wish in ({}, {"expiresIn": f"{DAYS}d"}):
        made = person.manage("POST", "/v1/api-keys", json={**body, **wish})
        expect_status(made, 201, when=f"a key is minted with {wish or 'no wish'}", requirement="MAAS-KEY-020")
        document = made.json()
        lives = expect_lifetime(document, exchange=made, requirement="MAAS-KEY-020")
        days = round(lives / timedelta(days=1), 3)
        expect_equal(days, float(DAYS), of="lifetime in days", exchange=made, requirement="MAAS-KEY-020")
    refused = person.manage("POST", "/v1/api-keys", json={**body, "expiresIn": f"{DAYS + 1}d"})
    expect_refused(
        refused, 400, flat_error(text="exceed"), when="a key is to live a day longer", requirement="MAAS-KEY-020"
    )
    after = longest(elsewhere.manage("GET", "/v1/api-keys/config"))
    expect_equal(after, before, of="max_expiration_days of another tenant", requirement="MAAS-KEY-020")


def longest(answer: Exchange) -> object:
    """The longest lifetime that the configuration states, in days."""
    return expect_status(answer, 200, when="the configuration of keys is read").json().get("max_expiration_days")
