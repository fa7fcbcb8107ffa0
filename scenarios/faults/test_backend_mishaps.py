"""A model server that fails: its errors stay errors, its silence holds nobody else up, and its tokens are counted as it states them."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.client.completion import DONE, parse_json
from harness.engine.declaration import check
from harness.kube.wait import Bound
from harness.ledger.counters import HITS
from harness.platforms.platform import Need
from harness.world.books import Books
from harness.world.caller import Caller
from harness.world.estate import Estate
from harness.world.expectations import describe, expect, expect_equal, expect_error, expect_served
from harness.world.inference import Ask
from harness.world.lent import MODEST, spendable
from harness.world.mishap import failing
from harness.world.patience import until
from harness.world.quota import spend
from harness.world.world import World

NEEDS: tuple[Need, ...] = ("kube", "backends")
PROMPT_S = 5.0
"""An answer of a few hundred tokens without any pause takes milliseconds; this is for a machine that is very busy."""
STALL_S = 1


def served(caller: Caller) -> Caller:
    """The same, once a request of theirs was answered whole: what fails afterwards fails by the fault alone."""
    expect_served(caller.infer())
    return caller


@pytest.mark.parametrize("status", [400, 404, 500, 503])
@check("MAAS-RATE-028", needs=NEEDS)
def test_an_error_of_the_model_stays_an_error_and_costs_nothing(world: World, status: int) -> None:
    caller, fault = spendable(world).caller, failing("error", status=status)  # again, when a gateway tries it again
    answers = [expect_error(caller.infer(headers=fault), when=f"the model answers {status}") for _ in range(5)]
    told = sum(answer.status == status for answer in answers)
    world.wire.recorder.characteristic(f"model_error_{status}_passed_on", told / len(answers), "of 1")
    spend(caller.infer, limit=MODEST, requirement="MAAS-RATE-028")


@check("MAAS-TOK-005", needs=NEEDS)
def test_a_stream_without_usage_is_passed_on_without_delay(world: World, estate: Estate) -> None:
    caller, ask = served(world.customer()), Ask(max_tokens=400, stream=True)
    exchange = expect_served(caller.infer(ask, headers=failing("missing_usage")), when="the model states no usage")
    expect_equal(exchange.events[-1:], (DONE,), of="the last event", exchange=exchange)
    expect(
        exchange.duration_s < PROMPT_S,
        expected=f"400 tokens in less than {PROMPT_S:g} s",
        observed=f"{exchange.duration_s:.1f} s",
        exchange=exchange,
    )
    if estate.counters is not None:
        charged = estate.counters.read().total(HITS, caller.account().subscription) or 0
        world.wire.recorder.characteristic("charged_without_usage", charged, "tokens")


@check("MAAS-TOK-005", needs=NEEDS)
def test_an_answer_without_usage_is_passed_on_or_refused_but_never_invented(world: World) -> None:
    exchange = served(world.anybody()).infer(headers=failing("missing_usage"))
    expect(
        exchange.usage is None,
        expected="no usage that the model did not state",
        observed=str(exchange.usage),
        exchange=exchange,
    )


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@check("MAAS-TOK-004", needs=NEEDS)
def test_a_stream_that_breaks_off_does_not_end_as_if_it_were_whole(world: World, *, reset: bool) -> None:
    broken = failing("close", after_tokens=10, reset=reset)
    exchange = served(world.anybody()).infer(Ask(max_tokens=64, stream=True), headers=broken)
    finished = [event for event in exchange.events if '"finish_reason":"' in event.replace(" ", "")]
    expect(
        not finished and DONE not in exchange.events,
        expected="neither a finish_reason nor [DONE] after the model server broke off",
        observed=f"{len(exchange.events)} events, the last {exchange.events[-1] if exchange.events else None!r}",
        exchange=exchange,
    )
    expect(
        exchange.error is not None or exchange.status != 200,
        expected="a broken connection or an error status",
        observed=describe(exchange),
        exchange=exchange,
    )


@check("MAAS-TOK-008", "MAAS-TOK-002", needs=("kube", "backends", "metrics"))
def test_an_event_that_nobody_can_read_is_neither_hidden_nor_does_it_make_the_stream_free(
    world: World, books: Books
) -> None:
    """The model server writes half an event into its stream and goes on: readers must see that, and the usage behind it counts."""
    customer = world.customer()
    ask = Ask(max_tokens=24, stream=True)
    exchange = expect_served(customer.infer(ask, headers=failing("malformed_sse", after_tokens=8)))
    unreadable = [event for event in exchange.events if event != DONE and parse_json(event.encode()) is None]
    expect(
        bool(unreadable),
        expected="the event that is no JSON, as the model server wrote it",
        observed=f"{len(exchange.events)} events, all in order",
        exchange=exchange,
    )
    expect_equal(exchange.events[-1:], (DONE,), of="the last event", exchange=exchange)
    books.expect_charged(customer.account(), requirement="MAAS-TOK-008")


@check("MAAS-TOK-001", "MAAS-TOK-008", needs=(*NEEDS, "metrics"))
def test_what_the_response_states_is_what_is_charged(world: World, estate: Estate) -> None:
    """The platform reads the response and does not count for itself: a server that misstates is charged as it states."""
    caller, fault = served(world.customer()), failing("wrong_usage", offset=7)
    answers = [expect_served(caller.infer(Ask(max_tokens=size), headers=fault)) for size in (1, 20)]
    stated = sum(answer.usage.total_tokens for answer in answers if answer.usage)
    first = world.wire.book.page(caller.account()).costs[0]
    assert estate.counters is not None
    counters, name = estate.counters, caller.account().subscription
    counted = Bound("metrics_bound_s", estate.platform.parameters.metrics_bound_s)
    charged, _ = until(lambda: counters.read().total(HITS, name), lambda seen: seen == stated + first, counted)
    expect_equal(charged, stated + first, of="tokens charged", exchange=answers[-1])


@check("MAAS-GW-004", needs=NEEDS)
def test_a_model_that_stands_still_holds_nobody_else_up(world: World) -> None:
    caller, other = world.customer(models=world.model(1)), world.anybody()
    for one in (caller, other):
        expect_served(one.infer())
    stream, stalled = Ask(max_tokens=16, stream=True), failing("stall", after_tokens=3, seconds=STALL_S)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(caller.infer, stream, headers=stalled)
        meanwhile = [expect_served(other.infer(), when="another model stands still") for _ in range(5)]
        exchange = expect_served(slow.result(), when="the model went on after a pause")
    worst = max(answer.duration_s for answer in meanwhile)
    expect(
        worst < exchange.duration_s,
        expected="answers while the other waits",
        observed=f"{worst:.2f} s",
        exchange=meanwhile[0],
    )
    world.wire.recorder.characteristic("latency_beside_a_stalled_stream", worst, "s")
