"""What the platform's metrics say of calls, refusals and their labels."""

from harness.engine.declaration import check
from harness.kube.wait import Bound
from harness.ledger.counters import CALLS, HITS, LIMITED, Reading
from harness.world.estate import Estate
from harness.world.expectations import expect, expect_equal, expect_served
from harness.world.patience import until
from harness.world.quota import spend
from harness.world.world import World


def read_until(estate: Estate, metric: str, subscription: str, value: int) -> Reading:
    """The counters as soon as one has that value, or as they are when the platform's bound for metrics is over."""
    counters = estate.counters
    assert counters is not None
    bound = Bound("metrics_bound_s", estate.platform.parameters.metrics_bound_s)
    reading, _ = until(counters.read, lambda now: now.total(metric, subscription) == value, bound)
    return reading


@check("MAAS-TOK-008", needs={"kube", "metrics"})
def test_calls_and_tokens_are_counted(world: World, estate: Estate) -> None:
    customer = world.customer()
    answers = [expect_served(customer.infer()) for _ in range(4)]
    spent = sum(answer.usage.total_tokens for answer in answers if answer.usage)
    name = customer.account().subscription
    reading = read_until(estate, HITS, name, spent)
    expect_equal(reading.total(HITS, name), spent, of="authorized_hits", exchange=answers[-1])
    expect_equal(reading.total(CALLS, name), len(answers), of="authorized_calls", exchange=answers[-1])
    expect_equal(reading.total(LIMITED, name) or 0, 0, of="limited_calls", exchange=answers[-1])


@check("MAAS-TOK-009", needs={"kube", "metrics"})
def test_every_refusal_is_counted_once_and_charges_nothing(world: World, estate: Estate) -> None:
    customer = world.customer(limit=70)
    spending = spend(customer.infer, limit=70)
    more = [customer.infer() for _ in range(4)]
    name = customer.account().subscription
    reading = read_until(estate, LIMITED, name, 1 + len(more))
    expect_equal(reading.total(LIMITED, name), 1 + len(more), of="limited_calls", exchange=more[-1])
    expect_equal(reading.total(HITS, name), spending.used, of="authorized_hits", exchange=more[-1])
    expect_equal(reading.total(CALLS, name), len(spending.allowed), of="authorized_calls", exchange=more[-1])


@check("MAAS-TOK-010", needs={"kube", "metrics"})
def test_token_counters_carry_subscription_and_model(world: World, estate: Estate) -> None:
    customer = world.customer()
    answer = expect_served(customer.infer())
    assert answer.usage is not None
    name = customer.account().subscription
    samples = read_until(estate, HITS, name, answer.usage.total_tokens).of(HITS, name)
    expect(bool(samples), expected="a series of authorized_hits for the subscription", observed="none", exchange=answer)
    labels = samples[0].labels
    expect_equal(labels.get("model"), customer.model.served_name, of="label model", exchange=answer)
    for absent in ("limit_name",):
        expect(absent not in labels, expected=f"no label {absent}", observed=str(labels), exchange=answer)


@check("MAAS-TOK-027", needs={"kube", "metrics"})
def test_the_token_metadata_of_a_subscription_labels_its_tokens(world: World, estate: Estate) -> None:
    who = world.identity()
    subscription = world.subscription(who, token_metadata={"organizationId": "org-7", "costCenter": "cc-42"})
    world.policy(who)
    caller = world.subscriber(who, subscription)
    answer = expect_served(caller.infer())
    assert answer.usage is not None
    samples = read_until(estate, HITS, subscription.name, answer.usage.total_tokens).of(HITS, subscription.name)
    expect(bool(samples), expected="a series of authorized_hits for the subscription", observed="none", exchange=answer)
    labels = samples[0].labels
    expect_equal(
        (labels.get("organization_id"), labels.get("cost_center")),
        ("org-7", "cc-42"),
        of="labels organization_id and cost_center",
        exchange=answer,
    )


@check("MAAS-RATE-027", needs={"kube", "metrics"})
def test_a_call_that_authentication_refuses_is_not_counted(world: World, estate: Estate) -> None:
    who = world.identity()
    subscription = world.subscription(who)
    caller = world.subscriber(who, subscription)
    for _ in range(3):
        expect_equal(caller.infer().status, 403, of="status without a policy")
    assert estate.counters is not None
    reading = estate.counters.read()
    for metric in (HITS, CALLS, LIMITED):
        expect_equal(reading.total(metric, subscription.name) or 0, 0, of=f"{metric} of refused calls")
