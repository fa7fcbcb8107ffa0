"""What the platform's metrics say of calls, refusals and their labels."""

from harness.client.exchange import Exchange
from harness.engine.declaration import check
from harness.kube.wait import Bound
from harness.ledger.counters import CALLS, HITS, LIMITED, Reading
from harness.world.estate import Estate
from harness.world.expectations import expect, expect_equal, expect_served, expect_status
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
    answers.append(
        expect_served(customer.infer())
    )  # a fence: whatever was counted late of the calls before is counted now
    spent += answers[-1].usage.total_tokens if answers[-1].usage else 0
    reading = read_until(estate, HITS, name, spent)
    expect_equal(reading.total(HITS, name), spent, of="authorized_hits after another call", exchange=answers[-1])
    expect_equal(reading.total(CALLS, name), len(answers), of="authorized_calls after another", exchange=answers[-1])


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
    """Refused for want of a policy, before and after calls that are served: once those are counted, nothing else may be."""
    who = world.identity()
    subscription = world.subscription(who)
    caller = world.subscriber(who, subscription)
    for _ in range(3):
        expect_status(caller.infer(), 403, when="no policy lets the caller in")
    policy = world.policy(who)
    world.settle()
    first, _ = world.until(caller.infer, lambda answer: answer.status == 200)
    answers = [expect_served(first, when="a policy lets the caller in"), expect_served(caller.infer())]
    world.withdraw(policy.ref)
    refusal, _ = world.until(lambda: kept(answers, caller.infer()), lambda answer: answer.status == 403)
    expect_status(refusal, 403, when="the policy is gone")
    spent = sum(answer.usage.total_tokens for answer in answers if answer.usage)
    reading = read_until(estate, HITS, subscription.name, spent)
    for metric, due in ((HITS, spent), (CALLS, len(answers)), (LIMITED, 0)):
        expect_equal(
            reading.total(metric, subscription.name) or 0,
            due,
            of=f"{metric} of the calls that were served",
            exchange=refusal,
        )


def kept(answers: list[Exchange], answer: Exchange) -> Exchange:
    """The answer, which is among those that cost something if it was served."""
    answers += [answer] if answer.status == 200 else []
    return answer
