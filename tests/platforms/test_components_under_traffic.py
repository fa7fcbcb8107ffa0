"""Every component is killed and started again under continuous traffic: nobody is served who may not be, and nothing acknowledged is lost."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psutil
import pytest

from harness.client.exchange import Exchange
from harness.client.secret import Secret
from harness.kube.manifest import Ref
from harness.kube.wait import Bound
from harness.outcome import EnvironmentFault
from harness.platforms.components import LocalComponents
from harness.platforms.platform import Platform
from harness.platforms.target import TargetOptions, open_target
from harness.world.caller import Caller
from harness.world.calling import Calling
from harness.world.crowd import ANSWERED, ENTITLED, FEW, SPENT, STRANGER, Crowd
from harness.world.lent import MODEST
from harness.world.world import World
from tests.platforms.whole import world_on

FORGED, REVOKED = "a forged key", "a revoked key"
BACK = Bound("traffic is back after a restart", 5)
COMPONENTS = (
    "kubeapi",
    "maas-controller",
    "kserve",
    "kubelet",
    "maas-api",
    "authorizer",
    "gateway",
    "issuer",
    "limiter",
)
DENIED = (STRANGER, FORGED, REVOKED, SPENT)


@pytest.fixture
def platform() -> Iterator[Platform]:
    with open_target(TargetOptions(), lambda line: None) as opened:
        yield opened


class Writer:
    """Does something again and again, and remembers what was acknowledged."""

    def __init__(self, act: Callable[[int], str | None]) -> None:
        self._act = act
        self._ending = threading.Event()
        self.acknowledged: list[str] = []
        self.fault: BaseException | None = None
        self._thread = threading.Thread(target=self._write)

    @contextmanager
    def writing(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._ending.set()
            self._thread.join()
        if self.fault is not None:
            raise self.fault

    def _write(self) -> None:
        number = 0
        try:
            while not self._ending.wait(0.02):
                number += 1
                done = self._act(number)
                self.acknowledged += [done] if done else []
        except BaseException as fault:  # noqa: BLE001 - raised where the test can see it
            self.fault = fault


def minting(person: Caller, subscription: str) -> Callable[[int], str | None]:
    """Mints keys; the plaintext of each that was acknowledged."""

    def mint(number: int) -> str | None:
        answer = person.manage("POST", "/v1/api-keys", json={"name": f"key-{number}", "subscription": subscription})
        return Secret(str(answer.json()["key"])).reveal() if answer.status == 201 else None

    return mint


def creating(world: World, namespace: str) -> Callable[[int], str | None]:
    """Creates ConfigMaps; the name of each that was acknowledged."""
    prefix = secrets.token_hex(3)

    def create(number: int) -> str | None:
        metadata = {"name": f"kept-{prefix}-{number}", "namespace": namespace}
        try:
            world.estate.cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
        except EnvironmentFault:  # not acknowledged, whatever became of it
            return None
        return metadata["name"]

    return create


def everybody(world: World) -> tuple[Crowd, Calling]:
    """The crowd, somebody with a key that nobody minted, and somebody whose key was revoked."""
    crowd = Crowd(world)
    who = world.identity()
    subscription = world.subscription(who)
    world.policy(who)
    key = world.key(who, subscription)
    forged, revoked = world.caller(Secret(f"sk-oai-{'0' * 8}_{'A' * 32}")), world.caller(key)
    assert revoked.infer().status == 200
    assert world.person(who).manage("DELETE", f"/v1/api-keys/{key.id}").status == 200
    assert world.once_refused(revoked.infer).status == 403
    callers = {ENTITLED: crowd.entitled, SPENT: crowd.spent, STRANGER: crowd.stranger, FORGED: forged, REVOKED: revoked}
    return crowd, Calling({name: caller.infer for name, caller in callers.items()})


def unduly(traffic: Calling) -> list[tuple[str, Exchange]]:
    """Whoever was served and may not be."""
    return [(name, answer) for name in DENIED for answer in traffic.of(name) if answer.status == 200]


@pytest.mark.row("MAAS-AUTH-068")
@pytest.mark.row("MAAS-RATE-023")
def test_every_component_may_be_killed_under_traffic(platform: Platform) -> None:
    control = LocalComponents.of(platform)
    assert control is not None
    assert {state.name for state in control.states()} == set(COMPONENTS)
    with world_on(platform) as world:
        crowd, traffic = everybody(world)
        minter = world.identity()
        subscription = world.subscription(minter)
        world.policy(minter)
        person = world.person(minter, subscription)
        assert person.models().status == 200
        keys = Writer(minting(person, subscription.name))
        objects = Writer(creating(world, minter.account.namespace or ""))
        with traffic, keys.writing(), objects.writing():
            for name in COMPONENTS:
                control.act(name, "kill")
                traffic.gather(FEW, ANSWERED)
                if name == "limiter":
                    break
                control.act(name, "start")
                traffic.until_served(ENTITLED, BACK)
                served = traffic.gather(FEW, ANSWERED)
                assert {answer.status for answer in served[ENTITLED]} == {200}, name
                assert {answer.status for answer in served[SPENT]} == {429}, name
                assert {answer.status for answer in served[STRANGER]} == {401}, name
                assert unduly(traffic) == [], name
                assert world.customer().infer().status == 200, name  # what is new comes into force, too
            before = len(traffic.of(SPENT))
            control.act("limiter", "start")
            traffic.until_served(ENTITLED, BACK)
            traffic.gather(FEW, ANSWERED)
        assert within_one_budget(traffic.of(SPENT)[before:])
        expect_kept(world, keys, objects, crowd)


def within_one_budget(answers: list[Exchange]) -> bool:
    """Counters in memory start anew with the limiter: one whole budget more, and its last request's overshoot."""
    costs = [answer.usage.total_tokens for answer in answers if answer.status == 200 and answer.usage]
    return sum(costs[:-1]) < MODEST


def expect_kept(world: World, keys: Writer, objects: Writer, crowd: Crowd) -> None:
    """Every key and every object that was acknowledged is still there."""
    assert len(keys.acknowledged) > len(COMPONENTS)
    assert len(objects.acknowledged) > len(COMPONENTS)
    for text in keys.acknowledged:
        assert world.caller(Secret(text)).models().status == 200
    there = {item["metadata"]["name"] for item in world.estate.cluster.objects("v1", "ConfigMap")}
    assert set(objects.acknowledged) <= there
    assert crowd.entitled.infer().status == 200
    assert world.customer().infer().status == 200


def envoy_of(platform: Platform) -> psutil.Process:
    gateway = psutil.Process(platform.processes["gateway"].pid)
    return next(child for child in gateway.children() if "envoy" in child.name())


def server_of(platform: Platform, world: World, caller: Caller) -> psutil.Process:
    """The process of the caller's model server, by the port that its Pod says."""
    pods = world.estate.cluster.objects("v1", "Pod", namespace=caller.model.namespace)
    urls = [
        url
        for pod in pods
        if pod["metadata"]["name"].startswith(caller.model.name)
        and (url := (pod["metadata"].get("annotations") or {}).get("maas-conformance.dev/url"))
    ]
    port = urlsplit(urls[0]).port
    below = psutil.Process(platform.processes["kubelet"].pid).children(recursive=True)
    return next(
        one for one in below if any(link.laddr.port == port for link in one.net_connections("tcp") if link.laddr)
    )


@pytest.mark.parametrize("victim", ["envoy", "model server"])
def test_what_components_have_started_may_be_killed_too(platform: Platform, victim: str) -> None:
    with world_on(platform) as world:
        crowd, traffic = everybody(world)
        process = envoy_of(platform) if victim == "envoy" else server_of(platform, world, crowd.entitled)
        with traffic:
            traffic.gather(FEW, ANSWERED)
            killed = time.monotonic()
            process.kill()
            process.wait(5)
            seconds = traffic.until_served(ENTITLED, BACK)
            assert time.monotonic() - killed < BACK.seconds + seconds
            served = traffic.gather(FEW, ANSWERED)
        assert {answer.status for answer in served[ENTITLED]} == {200}
        assert {answer.status for answer in served[SPENT]} == {429}
        assert unduly(traffic) == []


def test_a_paused_kubernetes_api_holds_up_no_caller_with_a_key(platform: Platform) -> None:
    control = LocalComponents.of(platform)
    assert control is not None
    with world_on(platform) as world:
        _, traffic = everybody(world)
        with traffic:
            control.act("kubeapi", "pause")
            try:
                served = traffic.gather(FEW, ANSWERED)
            finally:
                control.act("kubeapi", "resume")
        assert {answer.status for answer in served[ENTITLED]} == {200}
        assert unduly(traffic) == []
        assert world.estate.cluster.get(Ref("v1", "Namespace", "default")) is not None
