"""Gateways that appear while the proxy runs: ports of their own, tenants of their own, and nothing lost elsewhere."""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from harness.simulator.gateway import ports as ports_module
from harness.simulator.gateway.authorizer.cache import Fresh
from harness.simulator.gateway.authorizer.decision import Admission, Decision, UnavailableError
from harness.simulator.gateway.authorizer.instances import Instances, service_of
from harness.simulator.gateway.authorizer.request import AccessRequest
from harness.simulator.gateway.plan.gatewayapi import announced_ports
from harness.simulator.gateway.ports import Ports
from tests.gateway.conftest import Rig
from tests.gateway.doubles import ManagementApi, served
from tests.gateway.stack import INGRESS
from tests.gateway.world import GATEWAY_API, INFRA, AuthPolicy, Gateway, eventually, fresh

URLS = "maas-conformance.dev/listener-urls"
EVERYWHERE = {"namespaces": {"from": "All"}}
PLAIN = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": EVERYWHERE}
SECURE = {
    "name": "https",
    "port": 443,
    "protocol": "HTTPS",
    "allowedRoutes": EVERYWHERE,
    "tls": {"certificateRefs": [{"name": "x"}]},
}


def urls_of(rig: Rig, name: str) -> dict[str, str]:
    """Where a Gateway says that it is reached; nothing while it says nothing."""
    found = rig.world.kube.get(Gateway, name, namespace=INGRESS)
    urls: dict[str, str] = json.loads((found["metadata"].get("annotations") or {}).get(URLS) or "{}")
    return urls if is_programmed(found) else {}


def is_programmed(gateway: Any) -> bool:
    """Whether a Gateway is programmed in its present form; one that nobody has looked at says nothing of a form."""
    number = gateway["metadata"]["generation"]
    found = {entry["type"]: entry for entry in (gateway.get("status") or {}).get("conditions") or ()}
    entry = found.get("Programmed") or {}
    return entry.get("status") == "True" and entry.get("observedGeneration") == number


def appear(rig: Rig, *listeners: dict[str, Any], cls: str = "openshift-default") -> str:
    """A Gateway made now."""
    name = fresh("gw")
    rig.world.create(Gateway, INGRESS, name, {"gatewayClassName": cls, "listeners": list(listeners)})
    return name


def refuses(url: str) -> bool:
    """Whether nothing listens there any more; a connection that is closed at once belongs to a listener that is about to go."""
    try:
        httpx.get(url, trust_env=False, timeout=2)
    except httpx.ConnectError:
        return True
    except httpx.TransportError:
        return False
    return False


def started(rig: Rig) -> int:
    """How long Envoy's process has run, in seconds; a restart would begin anew."""
    admin = rig.stack.parts["gateway"].endpoints["admin"]
    uptime = httpx.get(f"{admin}/server_info", trust_env=False).json()["uptime_current_epoch"]
    return int(uptime.rstrip("s"))


@contextlib.contextmanager
def traffic(send: Callable[[], int]) -> Iterator[list[int]]:
    """Statuses of one call after the other, from another thread."""
    seen: list[int] = []
    stop, flowing = threading.Event(), threading.Event()

    def run() -> None:
        while not stop.is_set():
            seen.append(send())
            flowing.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert flowing.wait(30)
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def test_a_gateway_gets_ports_of_its_own_and_gives_them_back(rig: Rig) -> None:
    name = appear(rig, PLAIN, SECURE)
    urls = eventually(lambda: urls_of(rig, name))
    assert set(urls) == {"http", "https"}
    assert len({url.rsplit(":", 1)[1] for url in urls.values()}) == 2
    assert httpx.get(urls["http"], trust_env=False).status_code == 404
    assert httpx.get(urls["https"], trust_env=False, verify=False).status_code == 404
    status = rig.world.kube.get(Gateway, name, namespace=INGRESS)["status"]
    assert status["addresses"] == [{"type": "IPAddress", "value": "127.0.0.1"}]
    rig.world.patch(Gateway, INGRESS, name, {"spec": {"listeners": [PLAIN]}})
    eventually(lambda: set(urls_of(rig, name)) == {"http"})
    eventually(lambda: refuses(urls["https"]))
    assert urls_of(rig, name)["http"] == urls["http"]
    rig.world.kube.delete(Gateway, name, namespace=INGRESS)
    eventually(lambda: refuses(urls["http"]))


def test_a_gateway_of_another_controllers_class_is_left_alone(rig: Rig) -> None:
    theirs, ours = appear(rig, PLAIN, cls="nobody-here"), appear(rig, PLAIN)
    eventually(lambda: urls_of(rig, ours))
    found = rig.world.kube.get(Gateway, theirs, namespace=INGRESS)
    assert URLS not in (found["metadata"].get("annotations") or {})
    assert not is_programmed(found)
    for name in (theirs, ours):
        rig.world.kube.delete(Gateway, name, namespace=INGRESS)


def test_gateways_come_and_go_without_a_request_lost_elsewhere(rig: Rig) -> None:
    caller = rig.limited((1_000_000, "1h"))
    before = started(rig)
    with traffic(lambda: caller.post().status_code) as seen:
        for _ in range(4):
            name = appear(rig, PLAIN)
            url = eventually(lambda name=name: urls_of(rig, name))["http"]
            rig.world.kube.delete(Gateway, name, namespace=INGRESS)
            eventually(lambda url=url: refuses(url))
    assert set(seen) == {200}
    assert started(rig) >= before


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ('{"http": "http://127.0.0.1:4711", "https": "https://a.example"}', {"http": 4711, "https": 0}),
        ("no json", {}),
        ("[]", {}),
        ('{"http": "http://127.0.0.1:x"}', {}),
    ],
)
def test_ports_are_read_from_what_a_gateway_announces(text: str, ports: dict[str, int]) -> None:
    assert announced_ports({"metadata": {"annotations": {URLS: text}}}) == ports


@pytest.mark.row("MAAS-MT-003", "MAAS-RATE-024", "MAAS-SETUP-007")
def test_each_gateway_asks_the_management_api_of_its_own_tenant(rig: Rig) -> None:
    apis = [ManagementApi(), ManagementApi()]
    with contextlib.ExitStack() as stack:
        gateways = []
        for api in apis:
            port = stack.enter_context(served(api.app()))
            service = fresh("maas-api")
            rig.world.service(INFRA, service, port, 8443)
            name = appear(rig, PLAIN)
            guard(rig, name, service)
            gateways.append(name)
        urls = [eventually(lambda name=name: urls_of(rig, name))["http"] for name in gateways]
        models = [rig.world.model(rig.model_port, gateway=name) for name in gateways]
        keys = []
        for api, model in zip(apis, models, strict=True):
            rig.world.limit(model, (30, "1h"), subscription="same/s1")
            for one in models:  # each tenant would let the user in everywhere
                api.grant("alice", one.reference, resolved=one.reference, subscription="same/s1")
            keys.append(api.key("alice"))

        def status(gateway: int, model: int, key: int) -> int:
            headers = {"Authorization": f"Bearer {keys[key]}"}
            body = {"model": "m", "messages": [], "double": {"prompt": 0, "tokens": 20}}
            return rig.http.post(urls[gateway] + models[model].path, json=body, headers=headers).status_code

        assert (status(0, 0, 0), status(1, 1, 1)) == (200, 200)
        assert (status(0, 0, 1), status(1, 1, 0)) == (403, 403)
        assert (status(0, 1, 0), status(1, 0, 1)) == (404, 404)
        assert (status(0, 0, 0), status(0, 0, 0)) == (200, 429)
        assert status(1, 1, 1) == 200


def test_a_gateway_whose_management_api_is_away_refuses(rig: Rig) -> None:
    service, name = fresh("maas-api"), appear(rig, PLAIN)
    guard(rig, name, service)
    url = eventually(lambda: urls_of(rig, name))["http"]
    headers = {"Authorization": "Bearer sk-oai-x"}
    assert rig.http.get(f"{url}/v1/models", headers=headers).status_code == 503
    api = ManagementApi()
    with served(api.app()) as port:
        rig.world.service(INFRA, service, port, 8443)
        headers = {"Authorization": f"Bearer {api.key('alice')}"}
        eventually(lambda: rig.http.get(f"{url}/v1/models", headers=headers).status_code == 404)


def guard(rig: Rig, gateway: str, service: str) -> None:
    """The AuthPolicy of a tenant's gateway, as the controller writes it; waits until it is enforced."""
    url = f"https://{service}.{INFRA}.svc.cluster.local:8443/internal/v1/api-keys/validate"
    rules = {"metadata": {"apiKeyValidation": {"http": {"url": url, "method": "POST"}}}}
    target = {"group": GATEWAY_API, "kind": "Gateway", "name": gateway}
    rig.world.create(AuthPolicy, INGRESS, f"{gateway}-maas-auth", {"targetRef": target, "defaults": {"rules": rules}})
    rig.world.enforced(AuthPolicy, INGRESS, f"{gateway}-maas-auth")


class TestPorts:
    def test_a_late_listener_keeps_its_port_until_it_is_released(self) -> None:
        named, late = ("ns", "a", "http"), ("ns", "b", "http")
        ports = Ports({named: ("127.0.0.1", 0)}, "127.0.0.1")
        try:
            assert ports.admit({}) == (named,)
            assert ports.admit({late: 0, named: 0}) == (named, late)
            port = ports.addresses[late][1]
            assert ports.admit({late: 0}) == (named, late)
            assert ports.addresses[late][1] == port
            ports.release([named])
            assert set(ports.addresses) == {named}
        finally:
            ports.close()

    def test_a_port_of_before_is_taken_again_unless_somebody_has_it(self) -> None:
        late, other = ("ns", "b", "http"), ("ns", "c", "http")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            before = Ports({}, "127.0.0.1")
            before.admit({late: 0})
            port = before.addresses[late][1]
            before.close()
            ports = Ports({}, "127.0.0.1")
            try:
                ports.admit({late: port, other: taken.getsockname()[1]})
                assert ports.addresses[late][1] == port
                assert ports.addresses[other][1] not in (0, taken.getsockname()[1])
            finally:
                ports.close()

    def test_without_a_host_for_them_late_listeners_are_not_served(self) -> None:
        ports = Ports({})
        assert ports.admit({("ns", "b", "http"): 0}) == ()

    def test_a_machine_without_file_watches_serves_no_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ports_module, "can_watch_more", lambda: False)
        ports = Ports({}, "127.0.0.1")
        assert ports.admit({("ns", "b", "http"): 0}) == ()


def policy(gateway: str, url: str) -> dict[str, Any]:
    """An AuthPolicy on a Gateway."""
    metadata = {"name": f"{gateway}-maas-auth", "namespace": INGRESS}
    rules = {"metadata": {"apiKeyValidation": {"http": {"url": url}}}}
    return {
        "metadata": metadata,
        "spec": {"targetRef": {"kind": "Gateway", "name": gateway}, "defaults": {"rules": rules}},
    }


@dataclass
class Deciders:
    """Deciders that say which URL they ask."""

    made: list[str] = field(default_factory=list)

    def make(self, url: str, _gateway: tuple[str, str]) -> "Says":
        self.made.append(url)
        return Says(url)


@dataclass
class Says:
    url: str

    async def decide(self, _request: AccessRequest) -> Fresh[Decision]:
        return Fresh(Admission({"url": self.url}), 0.0)


class TestInstances:
    def asked(self, instances: Instances, gateway: str) -> str:
        request = AccessRequest("GET", "/", {}, gateway=gateway)
        answer = asyncio.run(instances.decide(request)).value
        assert isinstance(answer, Admission)
        return str(answer.metadata["url"])

    def instances(self, deciders: Deciders, policies: dict[Any, Any], slices: dict[Any, Any]) -> Instances:
        return Instances("http://default", lambda: policies, lambda: slices, deciders.make)

    def test_the_address_behind_the_policys_service_answers(self) -> None:
        deciders, slices = Deciders(), {("infra", "x"): self.found("maas-api-blue", 1)}
        found = {(INGRESS, "p"): policy("blue", "https://maas-api-blue.infra.svc:8443/x")}
        instances = self.instances(deciders, found, slices)
        assert self.asked(instances, f"{INGRESS}/blue") == "http://127.0.0.1:1"
        assert self.asked(instances, f"{INGRESS}/blue") == "http://127.0.0.1:1"
        assert deciders.made == ["http://127.0.0.1:1"]
        slices["infra", "x"] = self.found("maas-api-blue", 2)
        instances.changed()
        assert self.asked(instances, f"{INGRESS}/blue") == "http://127.0.0.1:2"

    def test_the_default_tenants_instance_is_the_one_of_the_command_line(self) -> None:
        found = {(INGRESS, "p"): policy("usual", "https://maas-api.infra.svc:8443/x")}
        instances = self.instances(Deciders(), found, {})
        assert self.asked(instances, f"{INGRESS}/usual") == "http://default"

    def test_without_a_policy_or_an_endpoint_there_is_no_decision(self) -> None:
        found = {(INGRESS, "p"): policy("blue", "https://maas-api-blue.infra.svc:8443/x")}
        for gateway, named in (("blue", "maas-api-blue"), ("red", "no AuthPolicy")):
            with pytest.raises(UnavailableError, match=named):
                self.asked(self.instances(Deciders(), found, {}), f"{INGRESS}/{gateway}")

    def test_a_policy_that_names_no_url_names_no_service(self) -> None:
        assert service_of({"spec": {}}) is None
        assert service_of(policy("g", "https://maas-api-blue.infra.svc.cluster.local:8443/x")) == (
            "infra",
            "maas-api-blue",
        )

    def found(self, service: str, port: int) -> dict[str, Any]:
        labels = {"kubernetes.io/service-name": service}
        return {
            "metadata": {"name": "x", "namespace": "infra", "labels": labels},
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
            "ports": [{"name": "http", "port": port}],
        }
