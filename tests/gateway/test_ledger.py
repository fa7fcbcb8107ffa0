"""Charging is exact to the token under mixed traffic; `python -m benchmarks.gateway.ledger` is the same at ten thousand requests."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gateway.ledger import Site, reckon, site
from benchmarks.gateway.mixed import FAILED, JSON, KINDS, LEFT, Seen
from benchmarks.gateway.reckoning import Reckoning, lines_of

REQUESTS = 60 * len(KINDS)
SEEN = Seen("id", JSON, "alice", 200, 15, 0)


@pytest.fixture(scope="module", params=[1, 2], ids=["one-gateway", "two-gateways"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if request.param > 1 and shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    folder: Path = tmp_path_factory.mktemp("ledger")
    with site(folder, request.param) as made:
        yield made


@pytest.mark.row("MAAS-TOK-001")
@pytest.mark.row("MAAS-TOK-008")
def test_all_books_are_equal_to_the_token_whatever_becomes_of_the_requests(place: Site) -> None:
    result = reckon(place, REQUESTS, 40)
    assert not list(result.problems()), result.table()
    assert {line.seen.kind for line in result.lines if line.logged} == set(KINDS[:5])


def entry(tokens: int, *, prompt: int = 5) -> dict[str, Any]:
    return {"request_id": "id", "prompt_tokens": prompt, "completion_tokens": tokens - prompt}


def problems(
    seen: Seen, journal: list[Mapping[str, Any]], charged: int | None, counted: int | None = None
) -> list[str]:
    lines = lines_of([seen], journal, [{"request_id": "id", "tokens_total": charged}])
    return list(Reckoning(lines, {"alice": (charged or 0) if counted is None else counted}).problems())


def test_equal_books_have_no_problem() -> None:
    assert problems(SEEN, [entry(15)], 15) == []
    assert problems(replace(SEEN, kind=LEFT, chunks=4, total=None), [entry(15)], 9) == []
    assert problems(replace(SEEN, kind=FAILED, status=500, total=None), [entry(5)], None) == []


@pytest.mark.parametrize(
    ("seen", "journal", "charged", "counted", "words"),
    [
        (SEEN, [entry(15)], 14, None, "gateway say"),
        (SEEN, [entry(16)], 15, None, "gateway say"),
        (replace(SEEN, total=None), [entry(15)], 15, None, "gateway say"),
        (SEEN, [entry(15), entry(15)], 15, None, "arrived 2 times"),
        (SEEN, [], 15, None, "arrived 0 times"),
        (replace(SEEN, status=502), [entry(15)], 15, None, "answered 502"),
        (SEEN, [entry(15)], 15, 16, "limiters count 16"),
        (replace(SEEN, kind=LEFT, chunks=4), [entry(15)], 8, None, "read 9"),
        (replace(SEEN, kind=LEFT, chunks=4), [entry(15)], 16, None, "generated 15"),
        (replace(SEEN, kind=FAILED, status=500, total=None), [entry(5)], 1, None, "it failed"),
    ],
)
def test_a_token_too_many_or_too_few_in_any_book_is_told(
    seen: Seen, journal: list[Mapping[str, Any]], charged: int | None, counted: int | None, words: str
) -> None:
    found = problems(seen, journal, charged, counted)
    assert len(found) == 1
    assert words in found[0]
