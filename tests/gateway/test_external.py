"""Models of providers outside: real Envoy, real TLS, the objects as the MaaS controller writes them, and what the provider gets to see."""

import contextlib
import stat
from collections.abc import Callable, Iterator

import httpx
import pytest
import trustme
from lightkube.resources.core_v1 import Secret

from tests.gateway.conftest import Rig, sse
from tests.gateway.outer import KEY, TARGET, Maker, Outside, coded
from tests.gateway.provider import Provider, listening
from tests.gateway.world import HTTPRoute, eventually, fresh


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


@pytest.mark.row("MAAS-AUTH-037")
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
        ' {"seed": 9007199254740993, "x": {"model": "kept"}, "text": "a \\"model\\": \\"kept\\" }{", '
        '"mod\\u0065l": "a dearer one", "model" : "NAME", '
        '"tools": [{"model": "kept"}], "n": 1.0}'
    ).replace("NAME", outer.model.name)
    headers = outer.caller.headers | {"X-Request-Id": fresh("request"), "Content-Type": "application/json"}
    answer = outer.rig.http.post(
        f"{outer.rig.url}/{outer.model.reference}/v1/chat/completions", content=sent, headers=headers
    )
    assert answer.status_code == 200
    renamed = sent.replace(f'"{outer.model.name}"', f'"{TARGET}"').replace('"a dearer one"', f'"{TARGET}"')
    assert outer.seen(answer).body.decode() == renamed


def test_a_model_named_in_the_body_alone_is_found_by_its_name_without_a_namespace(maker: Maker) -> None:
    outer = maker.model()
    headers = outer.caller.headers | {"X-Request-Id": fresh("request")}
    body = {"model": outer.model.name, "messages": []}
    answer = outer.rig.http.post(f"{outer.rig.url}/v1/chat/completions", json=body, headers=headers)
    assert answer.status_code == 200
    assert outer.seen(answer).document["model"] == TARGET


def test_what_an_answer_says_of_the_platforms_account_stays_here(maker: Maker) -> None:
    outer = maker.model()
    told = set(outer.post().headers)
    assert "x-request-id" in told
    assert not told & {"openai-organization", "set-cookie"}


@pytest.mark.parametrize(
    ("api", "path", "due"), [("chat", "/v1/chat/completions", 3), ("messages", "/v1/messages", 7 + 2)]
)
def test_a_stream_that_is_left_early_costs_what_is_known_to_be_due(maker: Maker, api: str, path: str, due: int) -> None:
    outer = maker.model(api)
    body = {"model": outer.model.name, "stream": True, "double": {"prompt": 7, "tokens": 20, "after": 3}}
    url = f"{outer.rig.url}/{outer.model.reference}{path}"
    with outer.rig.http.stream("POST", url, json=body, headers=outer.caller.headers) as answer:
        seen = 0
        for line in answer.iter_lines():
            seen += line.startswith("data:")
            if seen == 3:
                break
    eventually(lambda: outer.caller.used() == due, 10)


def test_of_two_providers_each_gets_its_own_key_and_its_own_name(maker: Maker) -> None:
    other = Provider({"key-of-the-other"})
    with listening(other) as port:
        first = maker.model()
        maker.port = port
        outer = maker.pair(first, maker.stand_in(), maker.secret(**{"api-key": "key-of-the-other"}))
        answers = [outer.post() for _ in range(30)]
    assert {answer.status_code for answer in answers} == {200}
    assert len(maker.provider.arrivals) + len(other.arrivals) == 30
    assert 3 <= len(other.arrivals) <= 27
    assert {(item.headers["authorization"], item.document["model"]) for item in maker.provider.arrivals} == {
        (f"Bearer {KEY}", TARGET)
    }
    assert {(item.headers["authorization"], item.document["model"]) for item in other.arrivals} == {
        ("Bearer key-of-the-other", "other-name")
    }
    assert {item.headers["host"].partition(".")[0] for item in maker.provider.arrivals} != {
        item.headers["host"].partition(".")[0] for item in other.arrivals
    }


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
@pytest.mark.row("MAAS-TOK-001")
def test_an_openai_answer_is_charged_as_it_says(maker: Maker, content_type: str) -> None:
    outer = maker.model()
    assert outer.post(double={"prompt": 7, "tokens": 20, "cached": 3, "type": content_type}).status_code == 200
    assert outer.caller.used() == 27


@pytest.mark.parametrize("pieces", [1, 13, 100_000])
@pytest.mark.row("MAAS-TOK-002")
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
@pytest.mark.row("MAAS-TOK-006")
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


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/files"),
        ("POST", "/v1/files"),
        ("GET", "/v1/responses/resp_1"),
        ("DELETE", "/v1/models/m"),
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/images/generations"),
        ("POST", "/v1//files"),
        ("POST", "/v1/chat/completions/../../files"),
        ("POST", "/v1/chat/completions%2f..%2f..%2ffiles"),
    ],
)
def test_nothing_but_inference_goes_out_with_the_platforms_key(maker: Maker, method: str, path: str) -> None:
    outer = maker.model()
    url = f"{outer.rig.url}/{outer.model.reference}{path}"
    answer = outer.rig.http.request(method, url, content=b"{}", headers=outer.caller.headers)
    assert answer.status_code == 404
    assert "not offered here" in answer.json()["error"]["message"]
    assert maker.provider.arrivals == []
    assert outer.post().status_code == 200


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
@pytest.mark.row("MAAS-GW-016")
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
