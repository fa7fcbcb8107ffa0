"""Parts that die, and policies that are missing: nothing unauthenticated and nothing over quota is ever served."""

import dataclasses
import signal
from collections.abc import Iterator

import httpx
import psutil
import pytest

from tests.gateway.conftest import Rig, built, sse
from tests.gateway.stack import INGRESS, MAAS
from tests.gateway.world import AuthPolicy, Gateway, eventually

LARGE = (100_000, "1h")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A stack that this module may break."""
    with built(tmp_path_factory.mktemp("failures")) as found:
        yield found


def kill(rig: Rig, name: str) -> None:
    part = rig.stack.parts[name]
    part.process.send_signal(signal.SIGKILL)
    part.process.wait()


def port_of(endpoint: str) -> str:
    return endpoint.removeprefix("http://")


@pytest.mark.row("MAAS-RATE-022", "MAAS-RATE-023")
def test_without_the_limiter_nothing_is_served_and_a_new_one_gets_the_limits_again(own: Rig) -> None:
    caller = own.limited((20, "1h"))
    assert caller.spend(5).status_code == 200
    endpoints = own.stack.parts["limiter"].endpoints
    kill(own, "limiter")
    answers = {caller.spend(5).status_code for _ in range(3)}
    assert answers == {500}
    assert own.http.get(own.url + "/v1/models", headers=caller.headers).status_code == 500
    own.stack.start_limiter("--bind", endpoints["grpc"], "--admin-bind", port_of(endpoints["admin"]))
    eventually(lambda: caller.spend(20).status_code == 200)
    assert caller.spend(1).status_code == 429


def test_without_the_authorizer_nothing_is_served(own: Rig) -> None:
    caller = own.limited(LARGE)
    assert caller.post().status_code == 200
    endpoint = own.stack.parts["authorizer"].endpoints["grpc"]
    kill(own, "authorizer")
    assert {caller.post().status_code for _ in range(3)} == {500}
    assert own.http.get(own.url + "/maas-api/health").status_code == 200
    own.stack.start_authorizer("--bind", endpoint)
    eventually(lambda: caller.post().status_code == 200)


def test_envoy_comes_back_on_its_ports_with_its_configuration(own: Rig) -> None:
    caller = own.limited((20, "1h"))
    assert caller.spend(20).status_code == 200
    caller.fence()
    envoy = psutil.Process(own.stack.parts["gateway"].process.pid).children()[0]
    envoy.kill()
    envoy.wait(60)

    def again() -> int | None:
        try:
            return caller.spend(1).status_code
        except httpx.TransportError:
            return None

    assert eventually(again) == 429


def test_the_gateway_ends_its_envoy_when_it_ends(own: Rig) -> None:
    process = own.stack.parts["gateway"].process
    envoy = psutil.Process(process.pid).children()[0]
    own.stack.parts["gateway"].stop()
    assert process.returncode == 0
    eventually(lambda: not envoy.is_running() or envoy.status() == psutil.STATUS_ZOMBIE)
    own.stack.start_gateway(*own.listeners)


def test_a_killed_gateway_takes_its_envoy_along(own: Rig) -> None:
    envoy = psutil.Process(own.stack.parts["gateway"].process.pid).children()[0]
    kill(own, "gateway")
    eventually(lambda: not envoy.is_running() or envoy.status() == psutil.STATUS_ZOMBIE)
    own.stack.start_gateway(*own.listeners)
    assert own.limited(LARGE).post().status_code == 200


def test_a_gateway_whose_policy_is_deleted_closes_and_opens_with_the_next(own: Rig) -> None:
    caller = own.limited(LARGE)
    assert caller.post().status_code == 200
    own.world.kube.delete(AuthPolicy, "maas-gateway-auth", namespace=INGRESS)
    eventually(lambda: caller.post().status_code == 503)
    assert own.http.post(own.url + caller.model.path, json={}).status_code == 401
    assert own.http.get(own.url + "/v1/models", headers=caller.headers).status_code == 503
    own.world.auth_policy()
    own.world.enforced(AuthPolicy, INGRESS, "maas-gateway-auth")
    assert caller.post().status_code == 200


def test_a_gateway_that_loses_its_label_and_its_policy_stays_closed(own: Rig) -> None:
    caller = own.limited(LARGE)
    own.world.patch(Gateway, INGRESS, MAAS, {"metadata": {"labels": {"app.kubernetes.io/name": None}}})
    own.world.kube.delete(AuthPolicy, "maas-gateway-auth", namespace=INGRESS)
    eventually(lambda: caller.post().status_code == 503)
    assert own.http.post(own.url + caller.model.path, json={}).status_code == 401
    own.world.auth_policy()
    own.world.patch(Gateway, INGRESS, MAAS, {"metadata": {"labels": {"app.kubernetes.io/name": "maas"}}})
    eventually(lambda: caller.post().status_code == 200)


def test_a_stream_that_its_backend_breaks_off_is_charged_and_not_passed_off_as_complete(own: Rig) -> None:
    caller = own.limited(LARGE)
    text = caller.post({"tokens": 4, "done": False}, stream=True).text
    assert "[DONE]" not in sse(text)
    assert caller.used() == 9


@pytest.mark.parametrize("part", ["limiter", "authorizer", "gateway"])
def test_a_part_that_cannot_start_says_why_in_one_sentence(own: Rig, part: str) -> None:
    taken = own.stack.parts["limiter"].endpoints["grpc"]
    starts = {
        "limiter": lambda: own.stack.start_limiter("--bind", taken),
        "authorizer": lambda: own.stack.start_authorizer("--bind", taken),
        "gateway": lambda: own.stack.start_gateway_at(f"{INGRESS}/{MAAS}/http={taken}"),
    }
    kept = dict(own.stack.parts)
    with pytest.raises(RuntimeError, match=f"{part}: .*cannot listen on {taken}"):
        starts[part]()
    assert own.stack.parts == kept


def test_a_gateway_without_its_limiter_does_not_start_and_says_so(own: Rig) -> None:
    kept = dict(own.stack.parts)
    limiter = kept["limiter"]
    own.stack.parts["limiter"] = dataclasses.replace(
        limiter, endpoints=limiter.endpoints | {"admin": "http://127.0.0.1:1"}
    )
    try:
        with pytest.raises(RuntimeError) as caught:
            own.stack.start_gateway(*own.listeners)
    finally:
        own.stack.parts.update(kept)
    assert str(caught.value).rstrip().endswith("gateway: the limiter did not answer PUT /limits: ConnectError")
