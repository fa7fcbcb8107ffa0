"""Every protocol, streamed and not, with usage asked for, not asked for and forced by the server, whole and broken off by either side.

Left out because they do not exist: embeddings do not stream; only chat and text completions can be asked for usage, and only streamed
(an answer in one piece always states it, whatever the server forces); responses and messages state theirs unasked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import pytest

from harness.client.exchange import Exchange
from harness.engine.declaration import check
from harness.kube.wait import Bound
from harness.ledger.journal import Entry
from harness.platforms.platform import Need
from harness.world.answer import expect_whole, seems_whole, tokens_of
from harness.world.books import Books, charged
from harness.world.caller import Caller
from harness.world.expectations import describe, expect, expect_equal
from harness.world.inference import Ask, Endpoint
from harness.world.mishap import failing
from harness.world.patience import until
from harness.world.sandwich import arrivals
from harness.world.twin import Variant
from harness.world.world import World

UsageIs = Literal["stated", "asked", "not-asked", "declined", "forced"]
ANSWER_TOKENS: Final = 40
FENCE_TOKENS: Final = 4 * ANSWER_TOKENS
BREAK_AT: Final = 10
LEAVE_AT: Final = 5
PATIENCE_S: Final = 0.3
NOTICED: Final = Bound("a model server notices that nobody reads any more", 10)
INCLUDE: Final[Mapping[UsageIs, bool]] = {"asked": True, "declined": False}
FORCED: Final = Variant(arguments=("--enable-force-include-usage",))
EMBEDS: Final = Variant(arguments=("--runner", "pooling"))

ROWS: Final[Mapping[Endpoint | UsageIs, str]] = {
    "completions": "MAAS-TOK-007", "embeddings": "MAAS-TOK-007", "messages": "MAAS-TOK-006",
    "asked": "MAAS-TOK-002", "not-asked": "MAAS-TOK-002", "forced": "MAAS-TOK-002", "declined": "MAAS-TOK-003",
}  # fmt: skip
"""What the endpoint and the choice of usage of a cell prove."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One way to ask for an answer."""

    endpoint: Endpoint
    stream: bool
    usage: UsageIs

    @property
    def name(self) -> str:
        """A readable id."""
        return f"{self.endpoint}-{'stream' if self.stream else 'whole'}-{self.usage}"

    @property
    def needs(self) -> tuple[Need, ...]:
        """Two kinds of cells take a model server that is started in another way than the platform's own."""
        own_server = self.usage == "forced" or self.endpoint == "embeddings"
        return ("kube", "backends", "metrics", *(("models",) if own_server else ()))

    def opened(self, world: World) -> tuple[Caller, Ask]:
        """Somebody new with a model that can do it, and the request."""
        ask = Ask(
            endpoint=self.endpoint,
            stream=self.stream,
            include_usage=INCLUDE.get(self.usage),
            max_tokens=ANSWER_TOKENS,
        )
        variant = FORCED if self.usage == "forced" else EMBEDS if self.endpoint == "embeddings" else None
        return world.customer(models=world.new_model(variant=variant).handle if variant else None), ask


TEXTS: Final[tuple[Endpoint, ...]] = ("chat", "completions", "responses", "messages")
CHOICES: Final[tuple[UsageIs, ...]] = ("asked", "not-asked", "declined", "forced")
CELLS: Final[tuple[Cell, ...]] = (
    *(Cell(endpoint, False, "stated") for endpoint in (*TEXTS, "embeddings")),
    *(Cell(endpoint, True, "stated") for endpoint in ("responses", "messages")),
    *(Cell(endpoint, True, usage) for endpoint in ("chat", "completions") for usage in CHOICES),
)


def each(cells: Sequence[Cell], *requirements: str) -> pytest.MarkDecorator:
    """The cells as checks; the rows of each cell come with it."""
    return pytest.mark.parametrize(
        "cell",
        [
            pytest.param(
                cell,
                id=cell.name,
                marks=check(
                    *(ROWS[part] for part in (cell.usage, cell.endpoint) if part in ROWS),
                    *requirements,
                    needs=cell.needs,
                ),
            )
            for cell in cells
        ],
    )


def arrival(world: World, books: Books, exchange: Exchange) -> Entry:
    """What the model server wrote down of an exchange, once it has; that it did so exactly once is part of every verdict."""
    journals = world.journals()
    assert journals is not None
    assert books.mark is not None
    mark = books.mark
    found, _ = until(lambda: arrivals(journals.since(mark), exchange), bool, NOTICED)
    expect_equal(len(found), 1, of="arrivals of the request at a model server", exchange=exchange)
    return found[0]


@each(CELLS, "MAAS-TOK-008", "MAAS-GW-004")
def test_a_whole_answer_has_all_its_parts_and_costs_what_it_states(world: World, books: Books, cell: Cell) -> None:
    customer, ask = cell.opened(world)
    exchange = expect_whole(customer.infer(ask), ask)
    entry = arrival(world, books, exchange)
    expect_equal(tokens_of(exchange), entry.total_tokens, of="tokens stated, as generated", exchange=exchange)
    if exchange.ttft_s is not None:
        world.wire.recorder.characteristic("ttft", exchange.ttft_s, "s")
    replace(books, journals=world.journals()).expect_balanced([customer.account()])


@each(CELLS, "MAAS-TOK-004", "MAAS-TOK-008")
def test_who_leaves_before_the_end_pays_no_more_than_was_generated(world: World, books: Books, cell: Cell) -> None:
    customer, ask = cell.opened(world)
    stalled = failing("stall", after_tokens=BREAK_AT)
    exchange = (
        customer.infer(ask, headers=stalled, abort_after=LEAVE_AT)
        if cell.stream
        else customer.infer(ask, headers=stalled, patience_s=PATIENCE_S)
    )
    expect(
        exchange.status == 200 if cell.stream else exchange.error is not None,
        expected="a stream that had begun" if cell.stream else "no whole answer until the client left",
        observed=describe(exchange),
        exchange=exchange,
    )
    entry = arrival(world, books, exchange)
    expect(entry.aborted, expected="the model server told to stop", observed="it went on", exchange=exchange)
    generated, delivered = entry.total_tokens or 0, len(exchange.text_at)
    cost = cost_of(books, customer, exchange, cell.endpoint)
    world.wire.recorder.characteristic(f"charged_for_broken_{'stream' if cell.stream else 'answer'}", cost, "tokens")
    expect(
        cost == 0 or delivered <= cost <= generated,
        expected=f"nothing charged, or between {delivered} tokens (delivered) and {generated} (prompt and generated)",
        observed=f"{cost} tokens",
        exchange=exchange,
    )


@pytest.mark.parametrize("endpoint", ["chat", "completions", "responses"])
@check("MAAS-TOK-004", needs=("kube", "backends", "metrics"))
def test_who_leaves_at_the_last_event_pays_for_the_whole_answer(world: World, books: Books, endpoint: Endpoint) -> None:
    """The reader has all there is to read, and does not wait for the connection to end: no discount for that."""
    left, ask = world.customer(), Ask(endpoint=endpoint, stream=True, include_usage=None, max_tokens=ANSWER_TOKENS)
    whole = expect_whole(world.anybody().infer(ask), ask)
    exchange = left.infer(ask, abort_after=len(whole.events))
    expect_equal(exchange.events[-1][:24], whole.events[-1][:24], of="the last event", exchange=exchange)
    expect_equal(cost_of(books, left, exchange, endpoint), tokens_of(whole), of="tokens charged", exchange=exchange)


@each(CELLS, "MAAS-GW-004", "MAAS-TOK-008")
def test_an_answer_that_the_model_server_breaks_off_never_looks_whole(world: World, books: Books, cell: Cell) -> None:
    customer, ask = cell.opened(world)
    exchange = customer.infer(ask, headers=failing("close", after_tokens=BREAK_AT))
    expect(
        not seems_whole(exchange, ask) and (exchange.error is not None or exchange.status != 200),
        expected="an error status, or a connection that ends in an error",
        observed=f"what a reader takes for a finished answer: {describe(exchange)}",
        exchange=exchange,
    )
    entry = arrival(world, books, exchange)
    cost = cost_of(books, customer, exchange, cell.endpoint)
    expect(
        0 <= cost <= (entry.total_tokens or 0),
        expected=f"at most the {entry.total_tokens} tokens charged that were generated",
        observed=f"{cost} tokens",
        exchange=exchange,
    )


def cost_of(books: Books, customer: Caller, exchange: Exchange, endpoint: Endpoint) -> int:
    """What the platform charged for the customer's only call so far: its counter after a further call, without that call's own cost.

    The further call is whole and dearer than the first can have been: once the counter shows as much, it shows both.
    """
    assert books.platform is not None
    platform, after = books.platform, Ask(max_tokens=FENCE_TOKENS)
    if endpoint == "embeddings":  # its model knows nothing else
        after = Ask(endpoint="embeddings", prompt="word " * FENCE_TOKENS)
    fence = expect_whole(customer.infer(after), after, when="an earlier call of the caller was broken off")
    own = tokens_of(fence) or 0
    total, _ = until(
        lambda: charged(platform.read(), customer.account()) or 0, lambda seen: seen >= own, books.metrics_bound
    )
    expect(
        total >= own,
        expected=f"at least the {own} tokens charged that the later call used",
        observed=f"{total}",
        exchange=exchange,
    )
    return total - own
