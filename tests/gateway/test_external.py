"""Models of providers outside: real Envoy, real TLS, the objects as the MaaS controller writes them, and what the provider gets to see."""

import base64
import contextlib
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import trustme
from lightkube.generic_resource import create_namespaced_resource
from lightkube.resources.core_v1 import Secret, Service

from harness.simulator.controllers.maas.provider import described, external_route, provider_service
from harness.simulator.controllers.runtime.manifest import Key
from tests.gateway.conftest import Caller, Rig, sse
from tests.gateway.provider import Provider, listening
from tests.gateway.stack import INGRESS, MAAS
from tests.gateway.world import HTTPRoute, Model, eventually, fresh

INFERENCE = "inference.opendatahub.io"
ExternalModel = create_namespaced_resource(INFERENCE, "v1alpha1", "ExternalModel", "externalmodels")
ExternalProvider = create_namespaced_resource(INFERENCE, "v1alpha1", "ExternalProvider", "externalproviders")
LegacyModel = create_namespaced_resource("maas.opendatahub.io", "v1alpha1", "ExternalModel", "externalmodels")
KEY, TARGET = "provider-key-1", "gpt-4o-2024-08-06"
LARGE = (100_000, "1h")


@dataclass(frozen=True)
class Outer(Model):
    """An external model: its route has its own name, and a body names it without a namespace."""

    @property
    def alias(self) -> str:
        return self.name

    @property
    def route(self) -> str:
        return self.name


@dataclass
class Outside:
    """One external model with its provider, and somebody who may use it."""

    rig: Rig
    provider: Provider
    caller: Caller
    secret: str

    @property
    def model(self) -> Model:
        return self.caller.model

    def post(
        self, path: str = "/v1/chat/completions", headers: dict[str, str] | None = None, **body: Any
    ) -> httpx.Response:
        """One request by path, with a request id of its own."""
        sent = {"model": self.model.name, "max_tokens": 10, "messages": []} | body
        own = self.caller.headers | {"X-Request-Id": fresh("request")} | (headers or {})
        url = f"{self.rig.url}/{self.model.reference}{path}"
        return self.rig.http.post(url, json=sent, headers=own)

    def seen(self, answer: httpx.Response) -> Any:
        """What the provider got of an answered request."""
        return self.provider.of(answer.request.headers["x-request-id"])

    def charges(self) -> list[Any]:
        """Open windows of the caller, once the limiter knows every response so far: told by a call of another model."""
        self.rig.limited(LARGE).fence()
        return self.rig.counters(self.caller.user)

    def rotate(self, key: str) -> None:
        """Put another key in the Secret."""
        self.rig.world.patch(Secret, self.model.namespace, self.secret, {"data": {"api-key": coded(key)}})


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Maker:
    """Writes the objects, as a person and then the MaaS controller would."""

    def __init__(self, rig: Rig, provider: Provider, port: int) -> None:
        self.rig, self.world, self.provider, self.port = rig, rig.world, provider, port
        self.namespace = fresh("outer")
        self.world.namespace(self.namespace)

    def host(self, name: str) -> str:
        return f"{name}.{self.namespace}.svc.cluster.local"

    def secret(self, **entries: str) -> str:
        name = fresh("secret")
        self.world.create(Secret, self.namespace, name, {}, data={key: coded(text) for key, text in entries.items()})
        return name

    def stand_in(self) -> str:
        """The Service behind which the provider's process answers; its host name."""
        name = fresh("server")
        self.world.service(self.namespace, name, self.port)
        return self.host(name)

    def named(self, kind: str, api: str, thing: Any) -> dict[str, Any]:
        return {**thing.to_dict(), "kind": kind, "apiVersion": api}

    def model(
        self, api: str = "chat", *, key: str = KEY, notes: dict[str, str] | None = None, host: str | None = None,
        secret: str | None = None, provider: str = "openai", auth: str = "apikey", **reference: Any,
    ) -> Outside:  # fmt: skip
        """A model of the inference group with one provider."""
        name, annotations = (
            fresh("gpt"),
            {"maas.opendatahub.io/port": "8000", "maas.opendatahub.io/tls": "false"} | (notes or {}),
        )
        holder = secret or self.secret(**{"api-key": key})
        endpoint = host or self.stand_in()
        made = self.world.kube.create(
            ExternalProvider.from_dict({
                "metadata": {"name": f"{name}-provider", "namespace": self.namespace, "annotations": annotations},
                "spec": {"provider": provider, "endpoint": endpoint, "auth": {"type": auth, "secretRef": {"name": holder}}},
            })
        )  # fmt: skip
        references = [{"ref": {"name": f"{name}-provider"}, "targetModel": TARGET, "apiFormat": api, **reference}]
        model = self.world.create(ExternalModel, self.namespace, name, {"externalProviderRefs": references})
        owner = self.named("ExternalProvider", f"{INFERENCE}/v1alpha1", made)
        self.route(self.named("ExternalModel", f"{INFERENCE}/v1alpha1", model), [(owner, f"{name}-provider")])
        return self.callable(Outer(self.namespace, name), holder)

    def legacy(self, provider: str, endpoint: str) -> Outside:
        """A model of the legacy group."""
        name, holder = fresh("gpt"), self.secret(**{"api-key": KEY})
        spec = {"provider": provider, "targetModel": TARGET, "endpoint": endpoint, "credentialRef": {"name": holder}}
        notes = {"maas.opendatahub.io/port": "8000", "maas.opendatahub.io/tls": "false"}
        metadata = {"name": name, "namespace": self.namespace, "annotations": notes}
        made = self.world.kube.create(LegacyModel.from_dict({"metadata": metadata, "spec": spec}))
        owner = self.named("ExternalModel", "maas.opendatahub.io/v1alpha1", made)
        self.route(owner, [(owner, name)])
        return self.callable(Outer(self.namespace, name), holder)

    def route(self, model: dict[str, Any], providers: list[tuple[dict[str, Any], str]]) -> None:
        """The Services and the HTTPRoute, written by the controller's own functions."""
        facts = [described(owner, service) for owner, service in providers]
        for (owner, _), one in zip(providers, facts, strict=True):
            self.world.kube.create(Service.from_dict(provider_service(owner, one, model["metadata"]["name"])))
        name = model["metadata"]["name"]
        route = external_route(model, name, [name, TARGET], facts, Key(INGRESS, MAAS))
        self.world.kube.create(HTTPRoute.from_dict(route))

    def callable(self, model: Outer, secret: str) -> Outside:
        self.world.route_in_force(model)
        self.world.limit(model, LARGE)
        return Outside(self.rig, self.provider, self.rig.caller(model), secret)

    def resolved(self, model: Model) -> tuple[str, str]:
        """Status and message of the route's ResolvedRefs."""
        route = self.world.kube.get(HTTPRoute, model.route, namespace=model.namespace)
        (found,) = [item for item in route["status"]["parents"][0]["conditions"] if item["type"] == "ResolvedRefs"]
        return found["status"], found["message"]


@pytest.fixture
def maker(rig: Rig) -> Iterator[Maker]:
    provider = Provider({KEY})
    with listening(provider) as port:
        yield Maker(rig, provider, port)


CALLERS = {
    "Cookie": "session=1",
    "X-MaaS-Subscription": "s1",
    "X-Forwarded-For": "203.0.113.9",
    "Forwarded": "for=203.0.113.9",
}


def test_the_provider_sees_its_own_key_and_nothing_of_the_caller(maker: Maker) -> None:
    outer = maker.model()
    answer = outer.post(headers=CALLERS | {"X-Api-Key": outer.caller.key, "X-Gateway-Model-Name": "x"})
    assert answer.status_code == 200
    seen = outer.seen(answer)
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.headers["host"].startswith("server-")
    told = {name for name in seen.headers if name.startswith(("x-", "cookie", "forwarded"))}
    assert told == {"x-request-id"}
    assert outer.caller.key not in str(seen.headers)


def test_the_model_gets_the_providers_name_and_the_rest_of_the_body_stays_as_sent(maker: Maker) -> None:
    outer = maker.model()
    sent = (
        ' {"seed": 9007199254740993, "x": {"model": "kept"}, "text": "a \\"model\\": \\"kept\\" }{", "model" : "NAME", '
        '"tools": [{"model": "kept"}], "n": 1.0}'
    ).replace("NAME", outer.model.name)
    headers = outer.caller.headers | {"X-Request-Id": fresh("request"), "Content-Type": "application/json"}
    answer = outer.rig.http.post(
        f"{outer.rig.url}/{outer.model.reference}/v1/chat/completions", content=sent, headers=headers
    )
    assert answer.status_code == 200
    assert outer.seen(answer).body.decode() == sent.replace(f'"{outer.model.name}"', f'"{TARGET}"')


def test_a_model_named_in_the_body_alone_is_found_by_its_name_without_a_namespace(maker: Maker) -> None:
    outer = maker.model()
    headers = outer.caller.headers | {"X-Request-Id": fresh("request")}
    body = {"model": outer.model.name, "messages": []}
    answer = outer.rig.http.post(f"{outer.rig.url}/v1/chat/completions", json=body, headers=headers)
    assert answer.status_code == 200
    assert outer.seen(answer).document["model"] == TARGET


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
def test_an_openai_answer_is_charged_as_it_says(maker: Maker, content_type: str) -> None:
    outer = maker.model()
    assert outer.post(double={"prompt": 7, "tokens": 20, "cached": 3, "type": content_type}).status_code == 200
    assert outer.caller.used() == 27


@pytest.mark.parametrize("pieces", [1, 13, 100_000])
def test_an_openai_stream_is_charged_and_asked_for_its_usage_in_the_providers_words(maker: Maker, pieces: int) -> None:
    outer = maker.model()
    answer = outer.post(stream=True, double={"prompt": 7, "tokens": 20, "pieces": pieces})
    assert sse(answer.text)[-1] == "[DONE]"
    assert outer.seen(answer).document["stream_options"] == {"include_usage": True}
    assert outer.caller.used() == 27


def test_a_provider_that_counts_on_is_asked_to(maker: Maker) -> None:
    outer = maker.model(provider="vLLM")
    answer = outer.post(stream=True, double={"status": 200})
    assert outer.seen(answer).document["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}


@pytest.mark.parametrize("pieces", [1, 13, 100_000])
def test_anthropics_protocol_is_spoken_with_its_own_header_and_charged_with_its_own_figures(
    maker: Maker, pieces: int
) -> None:
    outer = maker.model("messages")
    answer = outer.post("/v1/messages", double={"prompt": 7, "tokens": 20, "cached": 3})
    assert answer.status_code == 200
    seen = outer.seen(answer)
    assert (seen.path, seen.headers["x-api-key"], seen.headers["anthropic-version"]) == (
        "/v1/messages",
        KEY,
        "2023-06-01",
    )
    assert "authorization" not in seen.headers
    assert seen.document["model"] == TARGET
    assert outer.caller.used() == 30
    stream = outer.post("/v1/messages", stream=True, double={"prompt": 7, "tokens": 20, "pieces": pieces})
    assert sse(stream.text)[-1] == {"type": "message_stop"}
    assert sse(stream.text)[0]["message"]["usage"]["input_tokens"] == 7
    assert "stream_options" not in outer.seen(stream).document
    assert outer.caller.used() == 30 + 27


def test_a_stated_version_of_the_protocol_stays(maker: Maker) -> None:
    outer = maker.model("messages")
    answer = outer.post("/v1/messages", headers={"Anthropic-Version": "2099-01-01", "Anthropic-Beta": "x"})
    assert outer.seen(answer).headers["anthropic-version"] == "2099-01-01"
    assert outer.seen(answer).headers["anthropic-beta"] == "x"


def test_an_unusual_path_takes_the_place_of_the_usual_one_alone(maker: Maker) -> None:
    outer = maker.model(path="/openai/deployments/d/chat")
    assert outer.seen(outer.post("/v1/chat/completions?api-version=1")).path == "/openai/deployments/d/chat"
    assert outer.seen(outer.post("/v1/embeddings")).path == "/v1/embeddings"


def test_large_bodies_pass_both_ways(maker: Maker) -> None:
    outer = maker.model()
    answer = outer.post(pad="y" * 5_000_000, double={"prompt": 1, "tokens": 2, "padding": 5_000_000})
    assert answer.status_code == 200
    assert len(answer.json()["content"]) == 5_000_000
    assert len(outer.seen(answer).document["pad"]) == 5_000_000
    assert outer.caller.used() == 3


@pytest.mark.parametrize("api", ["chat", "messages"])
def test_a_provider_that_refuses_our_key_is_the_upstreams_fault_and_free(maker: Maker, api: str) -> None:
    outer = maker.model(api, key="wrong-key-123")
    answer = outer.post("/v1/messages" if api == "messages" else "/v1/chat/completions")
    assert answer.status_code == 502
    assert "www-authenticate" not in answer.headers
    assert "The provider refused the credential" in answer.json()["error"]["message"]
    assert "wrong-key-123" not in answer.text
    assert outer.charges() == []


def test_another_key_in_the_secret_is_used_without_a_restart_and_without_a_lost_request(maker: Maker) -> None:
    outer = maker.model()
    maker.provider.keys.add("provider-key-2")
    outer.rotate("provider-key-2")

    def rotated() -> bool:
        answer = outer.post()
        assert answer.status_code == 200
        return bool(outer.seen(answer).headers["authorization"] == "Bearer provider-key-2")

    eventually(rotated, 10)
    maker.provider.keys.remove(KEY)
    assert outer.post().status_code == 200


def test_a_secret_that_goes_closes_the_route_and_one_that_comes_opens_it(maker: Maker) -> None:
    outer = maker.model()
    maker.world.kube.delete(Secret, outer.secret, namespace=outer.model.namespace)
    eventually(lambda: outer.post().status_code == 500, 10)
    eventually(lambda: maker.resolved(outer.model)[0] == "False", 10)
    assert outer.secret in maker.resolved(outer.model)[1]
    maker.world.create(Secret, outer.model.namespace, outer.secret, {}, data={"api-key": coded(KEY)})
    eventually(lambda: outer.post().status_code == 200, 10)


def test_the_key_is_in_no_file_that_others_may_read_and_in_nothing_that_envoy_shows(maker: Maker) -> None:
    secret_key = "provider-key-very-secret"
    maker.provider.keys.add(secret_key)
    outer = maker.model(key=secret_key)
    assert outer.post().status_code == 200
    directory = outer.rig.stack.directory
    holding = [
        path
        for path in directory.rglob("*")
        if path.is_file() and "kube" not in path.parts and secret_key in path.read_text(errors="replace")
    ]
    assert [path.parent.name for path in holding] == ["credentials"]
    assert stat.S_IMODE(holding[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(holding[0].parent.stat().st_mode) == 0o700
    admin = outer.rig.stack.parts["gateway"].endpoints["admin"]
    shown = (
        httpx.get(f"{admin}/config_dump?include_eds", trust_env=False).text
        + httpx.get(f"{admin}/stats", trust_env=False).text
    )
    assert outer.model.name in shown
    assert secret_key not in shown
    maker.world.kube.delete(HTTPRoute, outer.model.route, namespace=outer.model.namespace)
    eventually(lambda: not holding[0].exists(), 10)


@pytest.mark.parametrize(("provider", "path"), [("openai", "/v1/chat/completions"), ("anthropic", "/v1/messages")])
def test_a_legacy_model_reaches_its_provider_with_its_key_in_the_providers_form(
    maker: Maker, provider: str, path: str
) -> None:
    outer = maker.legacy(provider, maker.stand_in())
    answer = outer.post(path, double={"prompt": 4, "tokens": 5})
    assert answer.status_code == 200
    header = "x-api-key" if provider == "anthropic" else "authorization"
    assert outer.seen(answer).headers[header].removeprefix("Bearer ") == KEY
    assert outer.seen(answer).document["model"] == TARGET
    assert outer.caller.used() == 9


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.0.0.1", "localhost.localhost", "maas-api.odh-ai-gateway-infra.svc.cluster.local"]
)
def test_the_gateways_own_machine_and_other_namespaces_are_no_providers(maker: Maker, host: str) -> None:
    outer = maker.model(host=host, notes={"maas.opendatahub.io/port": "8443"})
    assert outer.post().status_code == 500
    eventually(lambda: maker.resolved(outer.model)[0] == "False", 10)


@pytest.mark.parametrize("auth", ["sigv4", "oauth2"])
def test_a_form_of_authentication_that_is_not_known_here_never_goes_out_without_one(maker: Maker, auth: str) -> None:
    outer = maker.model(auth=auth)
    assert outer.post().status_code == 500
    assert auth in eventually(lambda: maker.resolved(outer.model)[1], 10)
    assert maker.provider.arrivals == []


def test_a_name_that_no_dns_knows_is_an_unavailable_upstream(maker: Maker) -> None:
    outer = maker.model(host="provider.invalid")
    assert outer.post().status_code == 503
    assert outer.charges() == []


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(rig: Rig, authority: trustme.CA) -> Iterator[Callable[..., Outside]]:
    """Makes models of a provider that speaks TLS; `issued_to`: the host of its certificate, by default its own."""
    with contextlib.ExitStack() as stack:

        def make(trusted: trustme.CA | None, issued_to: str | None = None) -> Outside:
            provider = Provider({KEY})
            maker = Maker(rig, provider, 0)
            name = fresh("server")
            maker.port = stack.enter_context(listening(provider, authority.issue_cert(issued_to or maker.host(name))))
            maker.world.service(maker.namespace, name, maker.port)
            notes = {"maas.opendatahub.io/tls": "true"}
            if trusted is not None:
                notes["maas-conformance.dev/ca-secret"] = maker.secret(**{"ca.crt": trusted.cert_pem.bytes().decode()})
            return maker.model(host=maker.host(name), notes=notes)

        yield make


def test_a_provider_whose_certificate_is_signed_by_the_named_authority_is_spoken_to(
    secure: Callable[..., Outside], authority: trustme.CA
) -> None:
    outer = secure(authority)
    answer = outer.post(double={"prompt": 1, "tokens": 2})
    assert answer.status_code == 200
    assert outer.seen(answer).headers["authorization"] == f"Bearer {KEY}"
    assert outer.caller.used() == 3


@pytest.mark.parametrize("wrong", ["another authority", "the system's authorities", "another name"])
def test_a_certificate_that_does_not_prove_the_provider_gets_no_key_and_no_request(
    secure: Callable[..., Outside], authority: trustme.CA, wrong: str
) -> None:
    trusted = {"another authority": trustme.CA(), "the system's authorities": None}.get(wrong, authority)
    outer = secure(trusted, "somebody.example" if wrong == "another name" else None)
    assert outer.post().status_code == 503
    assert outer.provider.arrivals == []
    assert outer.charges() == []
