"""The endpoint target: a hosted MaaS of which only URLs and credentials are known."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from harness.outcome import EnvironmentFault, UsageFault
from harness.platforms.data import data_folder
from harness.platforms.endpoint import Environment
from harness.platforms.platform import Need, Platform, reveal
from harness.platforms.strict_file import read_strict
from harness.platforms.target import TargetOptions, open_target

LISTED = [
    {
        "id": "publishers/llm/models/ibm/granite",
        "object": "model",
        "owned_by": "llm/granite-8b",
        "url": "https://maas.example.com/llm/granite-8b",
    },
    {"id": "plain", "object": "model", "owned_by": "other/plain-ref", "url": "https://maas.example.com/"},
]


class Hosted:
    """A server that answers the model listing, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.body: Any = {"object": "list", "data": LISTED}
        self.asked: list[tuple[str, str | None]] = []
        hosted = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hosted.asked.append((self.path, self.headers.get("Authorization")))
                body = json.dumps(hosted.body).encode()
                self.send_response(hosted.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def hosted() -> Iterator[Hosted]:
    served = Hosted()
    thread = threading.Thread(target=served.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    served.server.shutdown()
    served.server.server_close()
    thread.join()


def environment(folder: Path, content: Any) -> Path:
    path = folder / "environment.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def opened(path: Path | None) -> Platform:
    with open_target(TargetOptions(target="endpoint", environment=path), lambda line: None) as platform:
        return platform


def test_models_come_from_the_listing_which_is_asked_with_the_key(hosted: Hosted, tmp_path: Path) -> None:
    path = environment(
        tmp_path,
        {"endpoints": {"gateway": f"{hosted.url}/"}, "credentials": {"api_key": "sk-oai-x", "user_token": "t"}},
    )
    platform = opened(path)
    assert hosted.asked == [("/maas-api/v1/models", "Bearer sk-oai-x")]
    assert platform.endpoints.gateway == hosted.url
    first, second = platform.models
    assert (first.namespace, first.name, first.path, first.served_name) == (
        "llm",
        "granite-8b",
        "/llm/granite-8b",
        "ibm/granite",
    )
    assert (second.path, second.served_name, second.model_id) == ("/other/plain-ref", "plain", "plain")


def test_what_it_cannot_provide_it_says_by_name_and_reason(hosted: Hosted, tmp_path: Path) -> None:
    path = environment(
        tmp_path,
        {"endpoints": {"gateway": hosted.url, "metrics": f"{hosted.url}/metrics"}, "credentials": {"user_token": "t"}},
    )
    platform = opened(path)
    assert platform.missing(frozenset({"metrics"})) is None
    assert (
        platform.missing(frozenset({"kube"})) == "needs kube: a hosted endpoint gives no access to its Kubernetes API"
    )
    assert "endpoints.standard_gateway" in str(platform.missing(frozenset({"standard-gateway"})))
    assert platform.processes == {}


def test_what_other_keys_add_is_said_and_a_budget_is_spent_only_where_one_is_named(
    hosted: Hosted, tmp_path: Path
) -> None:
    given: dict[str, Any] = {"endpoints": {"gateway": hosted.url}, "credentials": {"api_key": "one"}}
    alone = opened(environment(tmp_path, given))
    assert "gives no credentials.second_api_key" in str(alone.missing(frozenset({"second-caller"})))
    assert "it has no `exhaustible`" in str(alone.missing(frozenset({"exhaustion"})))
    assert alone.exhaustible_tokens is None
    given["credentials"]["second_api_key"] = "two"
    given["exhaustible"] = {"api_key": "three", "limit": 200}
    full = opened(environment(tmp_path, given))
    assert full.missing(frozenset({"second-caller", "exhaustion"})) is None
    assert (reveal(full.credentials.exhaustible_api_key), full.exhaustible_tokens) == ("three", 200)
    assert "three" not in repr(full)


@pytest.mark.parametrize("need", sorted(set(get_args(Need)) - {"second-caller", "exhaustion", "metrics", "tls"}))
def test_whatever_urls_and_keys_cannot_give_has_a_reason(hosted: Hosted, tmp_path: Path, need: Need) -> None:
    path = environment(tmp_path, {"endpoints": {"gateway": hosted.url}, "credentials": {"api_key": "k"}})
    told = opened(path).missing(frozenset({need}))
    assert told is not None
    assert "does not provide it" not in told


def test_credentials_come_from_variables_and_files_and_are_never_shown(
    hosted: Hosted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "token-text")
    (tmp_path / "key.txt").write_text("key-text\n")
    path = environment(
        tmp_path,
        {
            "endpoints": {"gateway": hosted.url},
            "credentials": {"user_token": {"env": "MY_TOKEN"}, "api_key": {"file": "key.txt"}},
        },
    )
    platform = opened(path)
    assert (reveal(platform.credentials.user_token), reveal(platform.credentials.api_key)) == ("token-text", "key-text")
    assert "text" not in repr(platform)


def test_the_shipped_example_is_a_valid_environment_but_for_its_secrets() -> None:
    example = read_strict(data_folder("environments") / "endpoint.example.yaml", Environment, "environment file")
    assert example.models[0].namespace == "llm"
    assert example.parameters.request_timeout_s == 120


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("endpoints: [", "is not YAML at line 1"),
        ({"endpoints": {"gateway": "https://m.example.com"}}, "credentials: required and missing"),
        (
            {"endpoints": {"gateway": "m.example.com"}, "credentials": {}},
            "endpoints.gateway: Value error, expected a URL such as",
        ),
        (
            {"endpoints": {"gateway": "https://u:p@m.example.com"}, "credentials": {}},
            "endpoints.gateway: Value error, a URL must not carry credentials",
        ),
        (
            {"endpoints": {"gateway": "https://m.example.com", "gatway": "x"}, "credentials": {}},
            "endpoints.gatway: there is no such field",
        ),
        (
            {"endpoints": {"gateway": "https://m.example.com"}, "credentials": {}},
            "gives neither credentials.user_token nor",
        ),
        (
            {"endpoints": {"gateway": "https://m.example.com"}, "credentials": {"api_key": {"env": "SURELY_NOT_SET"}}},
            "credentials.api_key is to come from the environment variable SURELY_NOT_SET, which is not set",
        ),
        (
            {"endpoints": {"gateway": "https://m.example.com"}, "credentials": {"api_key": {"file": "absent.txt"}}},
            "absent.txt: No such file",
        ),
        (
            {
                "endpoints": {"gateway": "https://m.example.com"},
                "credentials": {"api_key": "k"},
                "ca_file": "absent.crt",
            },
            "absent.crt, which is no file",
        ),
        (
            {
                "endpoints": {"gateway": "https://m.example.com"},
                "credentials": {"api_key": "k", "second_api_key": "k"},
            },
            "gives one key twice",
        ),
        (
            {
                "endpoints": {"gateway": "https://m.example.com"},
                "credentials": {"api_key": "k"},
                "exhaustible": {"api_key": "e", "limit": 10_000_000},
            },
            "exhaustible.limit",
        ),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, content: Any, sentence: str) -> None:
    with pytest.raises(UsageFault) as fault:
        opened(environment(tmp_path, content))
    assert sentence in str(fault.value)
    assert "\n" not in str(fault.value)
    assert "u:p" not in str(fault.value)


def test_without_a_file_it_says_what_it_needs() -> None:
    with pytest.raises(UsageFault, match="needs --environment FILE"):
        opened(None)


def test_a_refused_credential_and_a_server_that_is_no_maas_are_told_apart(hosted: Hosted, tmp_path: Path) -> None:
    path = environment(tmp_path, {"endpoints": {"gateway": hosted.url}, "credentials": {"api_key": "sk-secret"}})
    hosted.status = 403
    with pytest.raises(EnvironmentFault, match="answered 403, expected 200: is the credential valid") as refused:
        opened(path)
    assert "sk-secret" not in str(refused.value)
    hosted.status, hosted.body = 200, {"hello": "world"}
    with pytest.raises(EnvironmentFault, match="answered 200, but not with a model list"):
        opened(path)


def test_a_server_that_does_not_answer_is_the_environment(tmp_path: Path) -> None:
    path = environment(tmp_path, {"endpoints": {"gateway": "http://127.0.0.1:1"}, "credentials": {"api_key": "k"}})
    with pytest.raises(
        EnvironmentFault, match=r"the platform does not answer: GET http://127\.0\.0\.1:1/maas-api/v1/models"
    ):
        opened(path)
