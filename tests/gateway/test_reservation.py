"""The reservation model: a running request holds what it may generate, so that concurrency cannot overshoot the quota."""

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from harness.simulator.gateway.limiter.holds import HOLD_SECONDS, Holds
from tests.gateway.conftest import Rig, built
from tests.gateway.second import redis_server
from tests.gateway.world import eventually

KEY = (("d", "p", "n", 60, ()), ("alice",))
OTHER = (("d", "p", "n", 60, ()), ("bob",))


@pytest.fixture(scope="module")
def reserving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with built(tmp_path_factory.mktemp("reservation"), "--admission", "reservation") as found:
        yield found


@pytest.fixture(scope="module")
def reserving_in_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    path = tmp_path_factory.mktemp("redis") / "socket"
    with redis_server(path) as url:
        directory = tmp_path_factory.mktemp("shared-reservation")
        with built(directory, "--admission", "reservation", limiter=("--redis", url)) as found:
            yield found


@pytest.fixture(params=["reserving", "reserving_in_redis"])
def holding(request: pytest.FixtureRequest) -> Rig:
    """Holds in memory, and holds in Redis."""
    found: Rig = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def estimating(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with built(tmp_path_factory.mktemp("estimate"), "--admission", "estimate") as found:
        yield found


@pytest.fixture(params=["reserving", "reserving_in_redis", "estimating"])
def looking_ahead(request: pytest.FixtureRequest) -> Rig:
    """Each model that looks ahead; to a caller who waits for each answer they are the same."""
    found: Rig = request.getfixturevalue(request.param)
    return found


def test_holds_add_up_and_end_with_their_request() -> None:
    holds = Holds()
    holds.place("one", ((KEY, 10),))
    holds.place("two", ((KEY, 5), (OTHER, 5)))
    assert (holds.held(KEY), holds.held(OTHER)) == (15, 5)
    holds.release("one")
    holds.release("one")
    assert (holds.held(KEY), holds.held(OTHER)) == (5, 5)
    holds.release("two")
    assert (holds.held(KEY), holds.held(OTHER)) == (0, 0)


def test_requests_that_share_an_id_each_have_a_hold() -> None:
    holds = Holds()
    for _ in range(3):
        holds.place("same", ((KEY, 10),))
    holds.release("same")
    assert holds.held(KEY) == 20


def test_a_hold_that_nobody_releases_ends_after_an_hour_and_not_before() -> None:
    now = 0.0
    holds = Holds(lambda: now)
    holds.place("lost", ((KEY, 10),))
    now = HOLD_SECONDS - 1
    holds.place("late", ((KEY, 1),))
    assert holds.held(KEY) == 11
    now = HOLD_SECONDS
    assert holds.held(KEY) == 1
    holds.release("lost")
    holds.release("late")
    assert holds.held(KEY) == 0


def test_a_request_that_does_not_fit_is_denied_although_tokens_are_left(looking_ahead: Rig) -> None:
    caller = looking_ahead.limited((20, "1h"))
    told = {"prompt": 0, "tokens": 7}
    assert [caller.post(told, max_tokens=10).status_code for _ in range(2)] == [200, 200]
    assert caller.used() == 14
    assert caller.post(told, max_tokens=7).status_code == 429
    assert caller.post(told, max_completion_tokens=6).status_code == 200
    assert caller.used() == 21
    assert caller.post(told, max_tokens=1).status_code == 429


def test_no_request_asks_for_more_than_half_of_a_limit(looking_ahead: Rig) -> None:
    caller = looking_ahead.limited((100, "1h"))
    told = {"prompt": 0, "tokens": 10}
    assert [caller.post(told, max_tokens=5000).status_code for _ in range(8)] == [200] * 6 + [429] * 2
    assert caller.used() == 60
    single = looking_ahead.limited((1, "1h"))
    assert [single.post(told, max_tokens=5000).status_code for _ in range(2)] == [200, 429]


def test_a_request_without_a_maximum_needs_the_configured_amount(looking_ahead: Rig) -> None:
    caller = looking_ahead.limited((600, "1h"))
    statuses = [caller.post({"prompt": 0, "tokens": 172}).status_code for _ in range(3)]
    assert statuses == [200, 200, 200]  # 344 of 600 are used before the third, and 256 more fit exactly
    other = looking_ahead.limited((599, "1h"))
    assert [other.post({"prompt": 0, "tokens": 172}).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("stream", [False, True])
def test_concurrent_requests_never_spend_more_than_the_limit(holding: Rig, stream: bool) -> None:
    caller = holding.limited((100, "1h"))
    barrier = threading.Barrier(16)

    def call(_number: int) -> int:
        with httpx.Client(trust_env=False, timeout=60) as client:
            body = caller.body({"prompt": 0, "tokens": 10, "think": 0.3}, stream=stream, max_tokens=10)
            barrier.wait()
            return client.post(holding.url + caller.model.path, json=body, headers=caller.headers).status_code

    with ThreadPoolExecutor(16) as pool:
        statuses = sorted(pool.map(call, range(16)))
    assert statuses == [200] * 10 + [429] * 6
    assert caller.used() == 100


def test_an_aborted_or_failed_request_gives_back_what_it_held(holding: Rig) -> None:
    caller = holding.limited((100, "1h"))
    body = caller.body({"prompt": 0, "tokens": 5000, "delay": 0.02}, stream=True, max_tokens=100)
    with holding.http.stream("POST", holding.url + caller.model.path, json=body, headers=caller.headers) as answer:
        lines = answer.iter_lines()  # kept: httpx ends the response with its iterator
        next(lines)
        assert caller.post({"body": "{}", "status": 500}, max_tokens=50).status_code == 500
        assert caller.post({"prompt": 0, "tokens": 1}, max_tokens=50).status_code == 200
        assert caller.post({"prompt": 0, "tokens": 1}, max_tokens=50).status_code == 429
    eventually(lambda: caller.post({"prompt": 0, "tokens": 1}, max_tokens=50).status_code == 200)


def test_an_estimate_is_not_held(estimating: Rig) -> None:
    caller = estimating.limited((100, "1h"))
    body = caller.body({"prompt": 0, "tokens": 5000, "delay": 0.02}, stream=True, max_tokens=100)
    with estimating.http.stream(
        "POST", estimating.url + caller.model.path, json=body, headers=caller.headers
    ) as answer:
        lines = answer.iter_lines()
        next(lines)
        told = {"prompt": 0, "tokens": 1}
        assert [caller.post(told, max_tokens=50).status_code for _ in range(4)] == [200] * 4
