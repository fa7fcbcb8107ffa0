"""The reservation model: a running request holds what it may generate, so that concurrency cannot overshoot the quota."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from harness.simulator.gateway.limiter.holds import HOLD_SECONDS, Holds
from tests.gateway.conftest import Rig, built
from tests.gateway.world import eventually

KEY = (("d", "p", "n", 60, ()), ("alice",))
OTHER = (("d", "p", "n", 60, ()), ("bob",))


@pytest.fixture(scope="module")
def reserving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with built(tmp_path_factory.mktemp("reservation"), "--admission", "reservation") as found:
        yield found


def test_holds_add_up_and_end_with_their_request() -> None:
    holds = Holds()
    holds.place("one", (KEY,), 10)
    holds.place("two", (KEY, OTHER), 5)
    assert (holds.held(KEY), holds.held(OTHER)) == (15, 5)
    holds.release("one")
    holds.release("one")
    assert (holds.held(KEY), holds.held(OTHER)) == (5, 5)
    holds.release("two")
    assert (holds.held(KEY), holds.held(OTHER)) == (0, 0)


def test_requests_that_share_an_id_each_have_a_hold() -> None:
    holds = Holds()
    for _ in range(3):
        holds.place("same", (KEY,), 10)
    holds.release("same")
    assert holds.held(KEY) == 20


def test_a_hold_that_nobody_releases_ends_after_an_hour_and_not_before() -> None:
    now = 0.0
    holds = Holds(lambda: now)
    holds.place("lost", (KEY,), 10)
    now = HOLD_SECONDS - 1
    holds.place("late", (KEY,), 1)
    assert holds.held(KEY) == 11
    now = HOLD_SECONDS
    assert holds.held(KEY) == 1
    holds.release("lost")
    holds.release("late")
    assert holds.held(KEY) == 0


def test_a_request_that_does_not_fit_is_denied_although_tokens_are_left(reserving: Rig) -> None:
    caller = reserving.limited((10, "1h"))
    told = {"prompt": 0, "tokens": 4}
    assert caller.post(told, max_tokens=10).status_code == 200
    assert caller.used() == 4
    assert caller.post(told, max_tokens=7).status_code == 429
    assert caller.post(told, max_completion_tokens=6).status_code == 200
    assert caller.post(told, max_tokens=2).status_code == 200


def test_a_request_without_a_maximum_holds_the_configured_amount(reserving: Rig) -> None:
    assert reserving.limited((255, "1h")).post().status_code == 429
    assert reserving.limited((256, "1h")).post().status_code == 200


@pytest.mark.parametrize("stream", [False, True])
def test_concurrent_requests_never_spend_more_than_the_limit(reserving: Rig, stream: bool) -> None:
    caller = reserving.limited((100, "1h"))
    barrier = threading.Barrier(16)

    def call(_number: int) -> int:
        with httpx.Client(trust_env=False, verify=False, timeout=60) as client:
            body = caller.body({"prompt": 0, "tokens": 10, "think": 0.3}, stream=stream, max_tokens=10)
            barrier.wait()
            return client.post(reserving.url + caller.model.path, json=body, headers=caller.headers).status_code

    with ThreadPoolExecutor(16) as pool:
        statuses = sorted(pool.map(call, range(16)))
    assert statuses == [200] * 10 + [429] * 6
    assert caller.used() == 100


def test_an_aborted_or_failed_request_gives_back_what_it_held(reserving: Rig) -> None:
    caller = reserving.limited((100, "1h"))
    body = caller.body({"prompt": 0, "tokens": 5000, "delay": 0.02}, stream=True, max_tokens=100)
    with reserving.http.stream("POST", reserving.url + caller.model.path, json=body, headers=caller.headers) as answer:
        lines = answer.iter_lines()  # kept: httpx ends the response with its iterator
        next(lines)
        assert caller.post({"prompt": 0, "tokens": 1}, max_tokens=1).status_code == 429
    eventually(lambda: caller.post({"prompt": 0, "tokens": 1}, max_tokens=50).status_code == 200)
    failed = caller.post({"body": "{}", "status": 500}, max_tokens=40)
    assert failed.status_code == 500
    assert caller.post({"prompt": 0, "tokens": 1}, max_tokens=40).status_code == 200
