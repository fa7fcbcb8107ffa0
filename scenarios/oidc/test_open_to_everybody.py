"""A model that is open to everybody is so for users of the issuer too."""

from harness.engine.declaration import check
from harness.world.expectations import expect, expect_served, listed_ids
from harness.world.identity import AUTHENTICATED
from harness.world.world import World


@check("MAAS-AUTH-016", needs={"kube", "models", "oidc"}, alone=True)
def test_who_lists_a_model_as_anybody_may_also_call_it(world: World) -> None:
    user = world.oidc_user()
    model = world.new_model().handle
    opened = world.subscription(AUTHENTICATED, models=model)
    world.policy(AUTHENTICATED, models=model)
    person = world.person(user, opened)
    listing, _ = world.until(person.models, lambda seen: model.model_id in listed_ids(seen))
    expect(
        model.model_id in listed_ids(listing),
        expected="a model that is open to everybody is listed",
        observed=repr(sorted(listed_ids(listing))),
        exchange=listing,
    )
    expect_served(
        person.infer(model=model, headers={"X-MaaS-Subscription": opened.name}),
        when="a user without groups calls a model that is open to everybody, and listed",
    )
