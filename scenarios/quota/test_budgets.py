"""When a budget ends, and whose budget it is."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle

from harness.client.exchange import Exchange
from harness.client.secret import Secret
from harness.engine.declaration import check
from harness.world.caller import Caller
from harness.world.expectations import (
    expect,
    expect_error,
    expect_refused,
    expect_served,
    expect_status,
    model_ids,
    quota_refusal,
)
from harness.world.governance import Rate
from harness.world.inference import Ask
from harness.world.quota import judge, once_edited, oracle, spend, spend_on
from harness.world.sandwich import expect_never_arrived
from harness.world.world import World

NEVER_ISSUED = Secret("sk-oai-0000000000000000_0000000000000000000000000000000000000000000")
SMALL = 70
"""A few requests of the default size; not a multiple of any cost, so that counting requests cannot pass for counting tokens."""


def spender(world: World, limit: int) -> Caller:
    """Somebody whose budget of so many tokens nobody has touched; the limit itself is that of others too, and stays as it is."""
    return world.subscriber(world.member(limit), world.common(limit))


@check("MAAS-RATE-001", "MAAS-TOK-001", needs={"kube"})
def test_the_budget_ends_at_the_request_that_finds_it_spent(world: World) -> None:
    spending = spend(spender(world, SMALL).infer, limit=SMALL)
    expect(
        len(spending.allowed) >= 2,
        expected="several requests before the refusal",
        observed=f"{len(spending.allowed)}",
        exchange=spending.refusal,
    )


@check("MAAS-TOK-001", needs={"kube"})
def test_answers_of_very_different_length_are_counted_by_their_tokens(world: World) -> None:
    customer = world.customer(limit=400)
    sizes = iter([1, 90, 3, 150, 7, 40, 1, 200, 5, 60] * 4)
    spend(lambda: customer.infer(Ask(max_tokens=next(sizes))), limit=400)


@check("MAAS-RATE-002", needs={"kube"})
def test_the_request_that_crosses_the_limit_still_succeeds(world: World) -> None:
    customer = spender(world, 1)
    expect_status(
        customer.infer(), 200, when="one token is left, however large the request", requirement="MAAS-RATE-002"
    )
    expect_refused(customer.infer(), 429, quota_refusal, when="the budget is overdrawn")


@check("MAAS-RATE-005", "MAAS-RATE-006", needs={"kube"})
def test_a_refusal_says_that_it_is_about_quota(world: World) -> None:
    customer = spender(world, 1)
    expect_served(customer.infer())
    refusal = expect_refused(
        customer.infer(), 429, quota_refusal, when="the budget is spent", requirement="MAAS-RATE-005"
    )
    stated = [name for name in ("Retry-After", "X-RateLimit-Limit", "X-RateLimit-Remaining") if refusal.header(name)]
    world.wire.recorder.characteristic("rate_limit_headers", len(stated), "headers")


@check("MAAS-RATE-001", needs={"kube", "backends"})
def test_a_refused_request_never_reaches_the_model(world: World) -> None:
    customer, bystander = spender(world, 1), world.anybody()
    expect_served(customer.infer())
    journals = world.journals()
    assert journals is not None
    mark = journals.mark()
    control = expect_served(bystander.infer())
    denied = [expect_refused(customer.infer(), 429, quota_refusal, when="the budget is spent") for _ in range(3)]
    expect_never_arrived(journals, mark, *denied, controls=(control,))


@check("MAAS-RATE-007", needs={"kube"})
def test_keys_and_tokens_of_one_user_spend_one_budget_together(world: World) -> None:
    """In turns, so that each of them has spent a part of it: a counter for each would refuse three times as late."""
    who = world.identity()
    subscription = world.subscription(who, limit=2 * SMALL)
    world.policy(who)
    keys = [world.subscriber(who, subscription) for _ in range(2)]
    token = partial(world.person(who, subscription).infer, headers={"X-MaaS-Subscription": subscription.name})
    ways: Iterator[Callable[[], Exchange]] = cycle((keys[0].infer, keys[1].infer, token))

    def in_turn() -> Exchange:
        return next(ways)()

    spend(in_turn, limit=2 * SMALL, requirement="MAAS-RATE-007")


@check("MAAS-RATE-007", needs={"kube"})
def test_two_keys_of_one_user_share_a_budget(world: World) -> None:
    who, subscription = world.member(SMALL), world.common(SMALL)
    first, second = world.subscriber(who, subscription), world.subscriber(who, subscription)
    token = partial(world.person(who, subscription).infer, headers={"X-MaaS-Subscription": subscription.name})
    bystander = world.anybody()
    spend(first.infer, limit=SMALL)
    expect_refused(second.infer(), 429, quota_refusal, when="the user's other key has spent the budget")
    expect_refused(
        token(), 429, quota_refusal, when="the user's key has spent the budget, and a token of the user calls"
    )
    expect_served(bystander.infer(), when="somebody else's budget is spent")


@check("MAAS-RATE-008", needs={"kube"})
def test_two_users_of_a_group_have_budgets_of_their_own(world: World) -> None:
    alice, bob, subscription = world.member(SMALL), world.member(SMALL), world.common(SMALL)
    spender, other = world.subscriber(alice, subscription), world.subscriber(bob, subscription)
    spend(spender.infer, limit=SMALL)
    expect_status(other.infer(), 200, when="only another member of the group has spent their budget")


@check("MAAS-RATE-009", needs={"kube"})
def test_two_subscriptions_of_a_user_have_budgets_of_their_own(world: World) -> None:
    who = world.identity()
    one, other = world.subscription(who, limit=SMALL), world.subscription(who, limit=SMALL)
    world.policy(who)
    first, second = world.subscriber(who, one), world.subscriber(who, other)
    spend(first.infer, limit=SMALL)
    spend(second.infer, limit=SMALL)


@check("MAAS-RATE-010", needs={"kube"})
def test_two_models_of_a_subscription_have_budgets_of_their_own(world: World) -> None:
    first, second = world.model(0), world.model(1)
    customer = world.customer(models=(first, second), limit=SMALL)
    spend(partial(customer.infer, model=first), limit=SMALL)
    spend(partial(customer.infer, model=second), limit=SMALL)


@check("MAAS-RATE-012", "MAAS-LIST-024", needs={"kube"})
def test_listing_costs_nothing_and_works_when_the_budget_is_spent(world: World) -> None:
    customer = spender(world, SMALL)
    own_list = f"{customer.model.path}/v1/models"
    for _ in range(20):
        model_ids(customer.models())
        expect_status(customer.gateway("GET", own_list), 200, when="the model's own list is read")
    spend(customer.infer, limit=SMALL)
    model_ids(customer.models())
    when = "the model's own list is read without budget"
    expect_status(customer.gateway("GET", own_list), 200, when=when, requirement="MAAS-LIST-024")


@check("MAAS-RATE-013", needs={"kube"})
def test_both_url_styles_burn_one_budget(world: World) -> None:
    customer = spender(world, SMALL)
    styles = iter([Ask(style="path"), Ask(style="body")] * 50)
    spend(lambda: customer.infer(next(styles)), limit=SMALL)
    for style in ("path", "body"):
        expect_refused(
            customer.infer(Ask(style=style)), 429, quota_refusal, when=f"the budget is spent ({style} style)"
        )


@check("MAAS-RATE-027", needs={"kube"})
def test_requests_with_a_bad_credential_burn_no_budget(world: World) -> None:
    """Neither made-up keys nor a revoked one of the same user for the same subscription, of which a platform could know whom to charge."""
    who, subscription = world.member(SMALL), world.common(SMALL)
    key, customer = world.key(who, subscription), world.subscriber(who, subscription)
    revoked, replay = world.caller(key, model=customer.model), oracle().replay(SMALL)

    def ask() -> Exchange:
        answer = revoked.infer()
        if answer.status in (200, 429):  # not known yet to be revoked, so it counts
            judge(replay, [answer])
        return answer

    expect_served(ask(), when="the key is not revoked yet")
    expect_status(world.person(who).manage("DELETE", f"/v1/api-keys/{key.id}"), 200, when="the owner revokes a key")
    for probe in (revoked.models, ask):  # listing costs nothing, so it waits first
        world.once_refused(probe)
    thief = world.caller(NEVER_ISSUED, model=customer.model)
    for _ in range(20):
        expect_status(thief.infer(), 403, when="the key was never issued")
        expect_status(revoked.infer(), 403, when="the key was revoked")
    spend_on(replay, customer.infer, requirement="MAAS-RATE-027")


@check("MAAS-RATE-028", needs={"kube"})
def test_requests_that_the_model_rejects_burn_no_budget(world: World) -> None:
    customer = spender(world, SMALL)
    for _ in range(10):
        expect_error(customer.infer(Ask(max_tokens=-1)), when="max_tokens is -1")
    spend(customer.infer, limit=SMALL, requirement="MAAS-RATE-028")


@check("MAAS-RATE-020", needs={"kube"})
def test_a_lowered_limit_binds_keys_that_exist(world: World) -> None:
    who = world.identity()
    subscription = world.subscription(who, limit=100_000)
    world.policy(who)
    caller = world.subscriber(who, subscription)
    first = expect_served(caller.infer())
    assert first.usage is not None
    world.change_rates(subscription, Rate(first.usage.total_tokens, "1h"))
    refusal = once_edited(world, caller.infer)
    expect_refused(refusal, 429, quota_refusal, when="the limit was lowered to what is already spent")


@check("MAAS-RATE-021", needs={"kube"})
def test_consumption_survives_an_edit_of_the_amount(world: World) -> None:
    who = world.identity()
    subscription = world.subscription(who, limit=SMALL)
    world.policy(who)
    caller = world.subscriber(who, subscription)
    replay = oracle().replay(SMALL)
    before = spend_on(replay, caller.infer)
    world.change_rates(subscription, Rate(2 * SMALL, "1h"))
    replay.budgets[0].edit(2 * SMALL)
    answer = expect_served(once_edited(world, caller.infer), when="the limit was raised to twice what is spent")
    judge(replay, [answer])
    after = spend_on(replay, caller.infer, requirement="MAAS-RATE-021")
    expect(before.used > 0, expected="tokens before the edit", observed="none", exchange=after.refusal)


@check("MAAS-RATE-025", "MAAS-SEC-004", needs={"kube"})
def test_a_query_string_does_not_evade_the_limit(world: World) -> None:
    customer = spender(world, 1)
    expect_served(customer.infer())
    path = f"{customer.model.path}/v1/chat/completions?x=/v1/models"
    exchange = customer.gateway("POST", path, json=Ask().body(customer.model))
    expect_refused(exchange, 429, quota_refusal, when="the path's query ends like the exempt list")


@check("MAAS-RATE-001", needs={"kube"})
def test_a_spent_budget_is_spent_for_every_way_of_asking(world: World) -> None:
    customer = spender(world, 1)
    expect_served(customer.infer())
    for ask in (Ask(), Ask(endpoint="completions"), Ask(stream=True), Ask(style="body")):
        expect_refused(customer.infer(ask), 429, quota_refusal, when=f"the budget is spent ({ask})")
