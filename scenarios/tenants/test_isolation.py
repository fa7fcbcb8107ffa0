"""Tenants are kept apart: keys, metadata, subscriptions, models and budgets of one mean nothing at another's gateway."""

from functools import partial

from harness.engine.declaration import check
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
    listed_ids,
)
from harness.world.quota import spend
from harness.world.sandwich import Sandwich
from harness.world.tenant import Tenant
from harness.world.world import World

NEEDS = {"kube", "models", "tenants"}


def at(tenant: Tenant, caller: Caller) -> Caller:
    """The same credential, shown at another tenant's gateway for that tenant's model."""
    return tenant.caller(caller.credential, model=tenant.model())


@check("MAAS-MT-003", "MAAS-SETUP-007", needs=NEEDS)
def test_a_key_of_one_tenant_is_nothing_at_another(world: World) -> None:
    here, there = world.tenants(2)
    customer, neighbour = here.customer(), there.customer()
    expect_served(customer.infer())
    expect_served(neighbour.infer())
    stranger = at(there, customer)
    for exchange in (stranger.infer(), stranger.models()):
        expect(
            exchange.status in (401, 403),
            expected="401 or 403 for a key of another tenant",
            observed=str(exchange.status),
            exchange=exchange,
        )
        expect(any_refusal(exchange) is None, expected="a refusal that tells nothing", observed=str(any_refusal(exchange)))
    expect_served(customer.infer(), when="only another tenant refused the key")
    expect_served(neighbour.infer(), when="only a stranger's key was refused here")
