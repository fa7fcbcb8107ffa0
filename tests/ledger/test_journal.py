"""The ledger against a real mock-vllm process, over the network."""

from collections.abc import Iterator, Mapping

import pytest

from harness.client.measuring import Call, MeasuringClient
from harness.engine.failure import NotConformant, NotReady
from harness.ledger.journal import Journals, JournalUnreadable
from harness.world.sandwich import arrivals, expect_never_arrived
from tests.mock_vllm.process import serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with serving(tmp_path_factory.mktemp("model"), "m") as endpoints:
        yield endpoints


@pytest.fixture
def client():
    made = MeasuringClient(timeout_s=60)
    yield made
    made.close()


@pytest.fixture
def journals(server):
    made = Journals([server["admin"] + "/", server["admin"]])
    yield made
    made.close()


def ask(server, client, **body):
    return client.send(
        Call(
            "POST",
            server["api"] + "/v1/chat/completions",
            json={"model": "m", "max_tokens": 6, "messages": [{"role": "user", "content": "hello"}], **body},
        )
    )


def test_the_same_address_is_read_once(server, journals):
    assert journals.servers == (server["admin"],)


def test_an_exchange_is_found_by_its_id_with_what_it_cost(server, client, journals):
    mark = journals.mark()
    exchange = ask(server, client)
    (entry,) = arrivals(journals.since(mark), exchange)
    assert entry.total_tokens == exchange.usage.total_tokens
    assert journals.of(exchange.request_id) == [entry]


def test_an_exchange_is_found_by_its_trace_where_the_gateway_renamed_it(server, client, journals):
    mark = journals.mark()
    exchange = client.send(
        Call(
            "POST",
            server["api"] + "/v1/chat/completions",
            json={"model": "m", "max_tokens": 2, "messages": [{"role": "user", "content": "x"}]},
        )
    )
    from dataclasses import replace

    renamed = replace(exchange, request_id="given-by-the-client-but-lost")
    assert len(arrivals(journals.since(mark), renamed)) == 1


def test_a_stream_without_usage_is_still_counted_by_the_server(server, client, journals):
    mark = journals.mark()
    exchange = ask(server, client, stream=True)
    assert exchange.usage is None
    (entry,) = arrivals(journals.since(mark), exchange)
    assert entry.stream
    assert entry.completion_tokens == 6


def test_what_came_before_the_mark_is_left_out(server, client, journals):
    earlier = ask(server, client)
    assert arrivals(journals.since(journals.mark()), earlier) == []


def test_a_request_that_arrived_although_refused_is_a_verdict(server, client, journals):
    mark = journals.mark()
    control, leaked = ask(server, client), ask(server, client)
    with pytest.raises(NotConformant, match="never reaches a model server"):
        expect_never_arrived(journals, mark, leaked, controls=(control,))


def test_absence_proves_nothing_while_the_control_is_absent_too(server, client, journals):
    control = ask(server, client)
    with pytest.raises(NotReady, match="cannot be shown"):
        expect_never_arrived(journals, journals.mark(), control, controls=(control,))


def test_a_silent_journal_is_a_fault_and_no_empty_list(client):
    broken = Journals(["http://127.0.0.1:1"])
    with pytest.raises(JournalUnreadable, match="cannot be read"):
        broken.mark()
    broken.close()
