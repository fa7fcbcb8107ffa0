"""Counters in Redis: the same semantics, shared by two gateways with a limiter each."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.gateway.conftest import Rig, built
from tests.gateway.second import attach_to_both, redis_server, second_gateway
from tests.gateway.stack import launch
from tests.gateway.world import eventually, fresh

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("redis") / "socket"
    with redis_server(path) as url:
        yield url


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> Iterator[Rig]:
    with built(tmp_path_factory.mktemp("shared"), limiter=("--redis", redis_url)) as found:
        yield found


@pytest.fixture(scope="module")
def second_url(shared: Rig, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A second gateway with a limiter of its own and the same Redis."""
    with second_gateway(shared.stack, shared.world, tmp_path_factory.mktemp("second"), redis_url) as other:
        yield other.url


@pytest.mark.parametrize("stream", [False, True])
def test_the_429_comes_at_exactly_the_right_request(shared: Rig, stream: bool) -> None:
    caller = shared.limited((60, "1h"))
    assert [caller.post(stream=stream).status_code for _ in range(6)] == [200] * 4 + [429] * 2
    assert caller.used() == 60


def test_several_windows_apply_and_an_advanced_clock_ends_the_short_one_of_one_subscription(shared: Rig) -> None:
    subscription = f"maas/{fresh('s')}"
    model = shared.world.model(shared.model_port)
    shared.world.limit(model, (10, "1m"), (1000, "1h"), subscription=subscription)
    caller, bystander = shared.caller(model, subscription=subscription), shared.limited((5, "1m"))
    assert [caller.spend(10).status_code, caller.spend(1).status_code] == [200, 429]
    bystander.spend(5)
    caller.fence()
    assert sorted(item["used"] for item in shared.counters(caller.user)) == [10, 10]
    admin = shared.stack.parts["limiter"].endpoints["admin"]
    shared.http.post(admin + "/clock/advance", json={"seconds": 60, "subscription": subscription})
    assert caller.spend(3).status_code == 200
    caller.fence()
    assert sorted(item["used"] for item in shared.counters(caller.user)) == [3, 13]
    assert bystander.spend(1).status_code == 429


def test_two_gateways_share_one_budget_to_the_token(shared: Rig, second_url: str) -> None:
    caller = shared.limited((150, "1h"))
    attach_to_both(shared.world, caller.model)
    with httpx.Client(trust_env=False, verify=False) as client:

        def call(number: int) -> int:
            url = (shared.url, second_url)[number % 2] + caller.model.path
            return client.post(url, json=caller.body(stream=bool(number % 3)), headers=caller.headers).status_code

        eventually(lambda: call(1) == 200)
        statuses: list[int] = []
        for number in range(12):
            served = 1 + statuses.count(200)
            # a gateway hears of what the other one served when that one's report has reached Redis
            eventually(lambda served=served: caller.used() == 15 * served)
            statuses.append(call(number))
    assert statuses == [200] * 9 + [429] * 3
    assert caller.used() == 150


def test_two_gateways_share_what_running_requests_hold(
    redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory, other_directory = tmp_path_factory.mktemp("holding"), tmp_path_factory.mktemp("other")
    holding = ("--admission", "reservation")
    with (
        built(directory, *holding, limiter=("--redis", redis_url)) as rig,
        second_gateway(rig.stack, rig.world, other_directory, redis_url, *holding) as other,
    ):
        caller = rig.limited((100, "1h"))
        attach_to_both(rig.world, caller.model)
        urls = [url + caller.model.path for url in (rig.url, other.url)]
        slow = caller.body({"prompt": 0, "tokens": 5000, "delay": 0.2}, stream=True, max_tokens=50)
        quick = caller.body({"prompt": 0, "tokens": 1}, max_tokens=20)

        def post(url: str) -> int:
            return rig.http.post(url, json=quick, headers=caller.headers).status_code

        eventually(
            lambda: rig.http.get(urls[1].replace("chat/completions", "models"), headers=caller.headers).is_success
        )
        with rig.http.stream("POST", urls[0], json=slow, headers=caller.headers) as first:
            assert first.status_code == 200
            with httpx.Client(trust_env=False) as client:
                with client.stream("POST", urls[1], json=slow, headers=caller.headers) as second:
                    assert second.status_code == 200
                    assert [post(url) for url in urls] == [429, 429]
                eventually(lambda: post(urls[0]) == 200)


@pytest.mark.row("MAAS-RATE-022")
def test_counters_survive_a_new_limiter(shared: Rig) -> None:
    caller = shared.limited((10, "1h"))
    caller.spend(10)
    caller.fence()
    endpoints = shared.stack.parts["limiter"].endpoints
    shared.stack.parts["limiter"].stop()
    shared.stack.start_limiter("--bind", endpoints["grpc"], "--admin-bind", endpoints["admin"].removeprefix("http://"))
    assert eventually(lambda: (status := caller.spend(1).status_code) != 500 and status) == 429


def test_without_redis_nothing_is_served(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("gone") / "socket"
    with redis_server(path), built(tmp_path, limiter=("--redis", f"unix://{path}")) as found:
        caller = found.limited((100, "1h"))
        assert caller.spend(1).status_code == 200
        subprocess.run(["redis-cli", "-s", str(path), "shutdown", "nosave"], check=False)
        assert {caller.spend(1).status_code for _ in range(3)} == {500}


def test_a_redis_that_is_not_there_is_named_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="limiter: --redis: Redis did not answer"):
        launch(tmp_path, "limiter", "harness.simulator.gateway.limiter", "--redis", f"unix://{tmp_path}/nothing")
