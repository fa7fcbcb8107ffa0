"""The world of models outside, brought up as a person would, and called as an application would."""

from collections.abc import Iterator

import httpx
import pytest

from harness.kube.access import service_account_token
from harness.kube.cluster import Cluster
from harness.kube.manifest import Ref
from harness.platforms.data import data_folder
from harness.platforms.lease import STATE_HOME_VARIABLE
from harness.platforms.platform import Platform
from harness.platforms.target import TargetOptions, open_target

HELLO = {"max_tokens": 4, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    worlds = tuple(data_folder("worlds") / name for name in ("default", "external"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STATE_HOME_VARIABLE, str(tmp_path_factory.mktemp("state")))
        with open_target(TargetOptions(worlds=worlds), lambda line: None) as platform:
            yield platform


@pytest.fixture(scope="module")
def caller(outside: Platform) -> Iterator[httpx.Client]:
    assert outside.kubeconfig is not None
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "caller", "namespace": "default"}}
    with Cluster.connect(outside.kubeconfig) as cluster:
        cluster.apply(account)
        token = service_account_token(cluster, Ref.of(account))
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=outside.endpoints.gateway, headers=headers, trust_env=False, timeout=30) as client:
        yield client


def test_checks_spend_at_no_provider(outside: Platform) -> None:
    assert {"gpt-outside", "claude-outside"}.isdisjoint(model.name for model in outside.models)
    assert outside.models
    assert outside.provides["providers"]


def test_both_models_are_listed_where_they_can_be_called(outside: Platform, caller: httpx.Client) -> None:
    listed = {item["id"]: item for item in caller.get("/v1/models").json()["data"]}
    assert {listed[name]["url"] for name in ("gpt-outside", "claude-outside")} <= {
        outside.endpoints.gateway,
        outside.endpoints.gateway_tls,
    }


def test_both_models_answer_in_their_protocols_by_body_and_by_path(caller: httpx.Client) -> None:
    chat = caller.post("/v1/chat/completions", json={"model": "gpt-outside", **HELLO})
    assert (chat.status_code, chat.json()["usage"]["completion_tokens"]) == (200, 4)
    message = caller.post("/llm/claude-outside/v1/messages", json={"model": "claude-outside", **HELLO})
    assert (message.status_code, message.json()["usage"]["output_tokens"]) == (200, 4)
