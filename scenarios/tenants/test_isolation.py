"""Tenants are kept apart: keys, metadata, subscriptions, models and budgets of one mean nothing at another's gateway."""

from http import HTTPStatus

from harness.client.exchange import Exchange
from harness.engine.declaration import check
from harness.kube.manifest import Ref
from harness.platforms.platform import Need
from harness.world.caller import Caller
from harness.world.expectations import (
    any_refusal,
    expect,
    expect_equal,
    expect_json,
    expect_refused,
    expect_served,
    expect_status,
    flat_error,
    model_ids,
)
from harness.world.force import subscription_in_force
from harness.world.governance import MAAS, People, Rate, Subscription
from harness.world.identity import Identity
from harness.world.inference import Ask, Style
from harness.world.quota import spend
from harness.world.sandwich import expect_never_arrived
from harness.world.tenant import Tenant
from harness.world.world import World

NEEDS: tuple[Need, ...] = ("kube", "models", "tenants")
LIMIT = 80
STYLES: tuple[Style, ...] = ("path", "body")


def expect_stranger(exchange: Exchange, *, what: str) -> None:
    """403, and nothing told: the caller's credential has the form of one, as a made-up key has (MAAS-AUTH-004), and opens nothing here."""
    expect_refused(exchange, 403, any_refusal, when=f"the caller shows {what}")


def subscribed(tenant: Tenant, who: Identity, name: str) -> Subscription:
    """Quota under a name that the check chooses, and access, both for that user on the tenant's own model."""
    ref = Ref(MAAS, "MaaSSubscription", name, tenant.namespace)
    made = Subscription(ref, People.of(who), (tenant.model(),), (Rate(LIMIT, "1h"),))
    in_force = subscription_in_force(made, with_limits=tenant.estate.has_limit_policies)
    tenant.declare(made.manifest(), until=in_force)
    tenant.policy(who)
    return made


@check("MAAS-MT-003", "MAAS-SETUP-007", needs=NEEDS)
def test_a_key_of_one_tenant_is_nothing_at_another(world: World) -> None:
    here, there = world.common_tenants(2)
    customer, neighbour = here.customer(), there.customer()
    expect_served(customer.infer())
    expect_served(neighbour.infer())
    stranger = there.caller(customer.credential, model=there.model())
    for exchange in (stranger.infer(), stranger.models()):
        expect_stranger(exchange, what="a key of another tenant")
    expect_served(customer.infer(), when="only another tenant refused the key")
    expect_served(neighbour.infer(), when="only a stranger's key was refused here")


@check("MAAS-MT-003", "MAAS-SETUP-007", needs=NEEDS)
def test_a_key_of_a_tenant_is_nothing_at_the_default_gateway_nor_the_other_way_round(world: World) -> None:
    tenant = world.common_tenant()
    inside, outside = tenant.customer(), world.anybody()
    expect_served(inside.infer())
    expect_served(outside.infer())
    expect_stranger(world.caller(inside.credential).infer(), what="a tenant's key at the default gateway")
    expect_stranger(tenant.caller(outside.credential).infer(), what="a key of the default tenant at a tenant's gateway")
    expect_served(inside.infer())
    expect_served(outside.infer())


@check("MAAS-MT-004", "MAAS-SETUP-007", needs=NEEDS)
def test_what_is_known_of_a_key_is_known_to_its_tenant_alone(world: World) -> None:
    here, there = world.common_tenants(2)
    who = world.identity()
    key = here.key(who, here.subscription(who))
    there.subscription(who)
    for tenant in (here, there):
        tenant.policy(who)
    owner, namesake = here.person(who), there.person(who)
    path = f"/v1/api-keys/{key.id}"
    expect_status(owner.manage("GET", path), 200, when="the owner asks the tenant that the key belongs to")
    for method in ("GET", "DELETE"):
        refusal = namesake.manage(method, path)
        expect_refused(refusal, 404, flat_error(text="API key not found"), when=f"{method} of another tenant's key")
    expect_equal(found(owner), {key.id}, of="keys that the owner finds at the tenant")
    expect_equal(found(namesake), set(), of="keys that the same user finds at another tenant")
    expect_status(owner.manage("GET", path), 200, when="only another tenant was asked to delete the key")
    expect_served(here.caller(key).infer(), when="the key was not revoked")


def found(person: Caller) -> set[str]:
    """Ids of the keys that a search shows."""
    answer = expect_status(person.manage("POST", "/v1/api-keys/search", json={}), 200, when="keys are searched")
    return {str(entry["id"]) for entry in expect_json(answer)["data"] or ()}


@check("MAAS-MT-003", "MAAS-MT-005", "MAAS-RATE-024", "MAAS-SETUP-007", needs=NEEDS)
def test_subscriptions_of_the_same_name_have_models_and_budgets_of_their_own(world: World) -> None:
    here, there = world.common_tenants(2)
    who, name = world.identity(), f"{world.name}-team"
    first, second = (subscribed(tenant, who, name) for tenant in (here, there))
    spender, other = here.subscriber(who, first), there.subscriber(who, second)
    for tenant, caller in ((here, spender), (there, other)):
        wanted, own = {name: {tenant.model().name}}, (tenant.model().model_id,)
        expect_equal(listed(caller), wanted, of=f"subscriptions at tenant {tenant.name}", requirement="MAAS-MT-005")
        expect_equal(model_ids(caller.models()), own, of=f"models at tenant {tenant.name}", requirement="MAAS-MT-005")
    spend(spender.infer, limit=LIMIT, requirement="MAAS-RATE-024")
    expect_status(
        other.infer(),
        200,
        when="only another tenant's budget of the same user and name is spent",
        requirement="MAAS-RATE-024",
    )
    stranger = there.caller(spender.credential, model=there.model())
    expect_stranger(stranger.infer(), what="another tenant's key, though user and subscription have the same names")
    expect_served(other.infer(), when="only a key of another tenant was refused")
    expect_status(spender.infer(), 429, when="the budget was spent before", requirement="MAAS-RATE-024")


def listed(caller: Caller) -> dict[str, set[str]]:
    """Names of subscriptions that the caller sees, and their models."""
    answer = expect_status(caller.gateway("GET", "/v1/subscriptions"), 200, when="subscriptions are listed")
    return {
        str(entry["subscription_id_header"]): {str(model["name"]) for model in entry["model_refs"]}
        for entry in expect_json(answer)
    }


@check("MAAS-MT-006", needs=NEEDS)
def test_a_tenants_model_is_reached_through_its_own_gateway_alone(world: World) -> None:
    """Elsewhere it is refused, or it is what a model is that never was: to a gateway that looks for a route first both are nothing."""
    here, there = world.common_tenants(2)
    customer, neighbour, outsider = here.customer(), there.customer(), world.anybody()
    expect_served(customer.infer())
    journals, ghost = here.journals(), world.ghost()
    for caller, where in ((neighbour, "another tenant's gateway"), (outsider, "the default gateway")):
        expect_served(caller.infer())
        mark = journals.mark() if journals else None
        first = expect_served(customer.infer())
        refusals = [caller.infer(Ask(style=style), model=here.model()) for style in STYLES]
        again = expect_served(customer.infer())
        for refusal, style in zip(refusals, STYLES, strict=True):
            told, unknown = any_refusal(refusal), caller.infer(Ask(style=style), model=ghost)
            refused = refusal.status in (401, 403) or refusal.status == unknown.status == HTTPStatus.NOT_FOUND
            expect(
                refused and told is None,
                expected=f"401 or 403 at {where} for a tenant's model, or 404 as for one that does not exist, and nothing told",
                observed=f"{refusal.status}, for one that does not exist {unknown.status}: {told or 'nothing told'}",
                exchange=refusal,
            )
        if journals and mark:
            expect_never_arrived(journals, mark, *refusals, controls=(first, again))
        expect(
            here.model().model_id not in model_ids(caller.models()),
            expected=f"{here.model().model_id} is not listed at {where}",
            observed="it is",
        )
