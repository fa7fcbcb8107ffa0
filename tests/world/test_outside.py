"""Stand-ins of providers as values: what is made of them, how a journal shows their keys, and when a route leads to them."""

from typing import Any

import httpx
import pytest

from harness.client.secret import Secret
from harness.world.outside import SERVED, ExternalModel, StandIn, handle_of, leads_somewhere
from mock_vllm.testing import MockVLLM

KEY = Secret("key-of-the-provider")


@pytest.mark.parametrize(("api", "header"), [("chat", "authorization"), ("messages", "x-api-key")])
def test_a_key_is_recognised_in_the_journal_of_the_server_that_demanded_it(api: Any, header: str) -> None:
    one = StandIn("p", "llm", "target", api, key=KEY)
    sent = KEY.reveal() if header == "x-api-key" else f"Bearer {KEY.reveal()}"
    with MockVLLM("target", api_key=[KEY.reveal()], api_key_header=header) as server:
        answer = httpx.get(f"{server.url}/v1/models", headers={header: sent}, trust_env=False)
        assert answer.status_code == 200
        assert httpx.get(f"{server.url}/v1/models", trust_env=False).status_code == 401
    command = one.manifests()[0]["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[command.index("--api-key-header") + 1] == header
    assert one.shown(KEY).startswith("sha256:")
    assert one.shown(KEY) != one.shown(Secret("another"))


def test_the_objects_hang_together() -> None:
    one = StandIn("p", "llm", "target", "messages")
    provider, model = ExternalModel(handle_of("gpt", "llm"), one).backend()
    assert provider["spec"]["endpoint"] == "p-server.llm.svc.cluster.local"
    assert provider["spec"]["auth"]["secretRef"]["name"] == one.credential()["metadata"]["name"]
    assert model["spec"]["externalProviderRefs"][0] == {
        "ref": {"name": provider["metadata"]["name"]},
        "targetModel": "target",
        "apiFormat": "messages",
    }
    (legacy,) = ExternalModel(handle_of("gpt", "llm"), one, legacy=True).backend()
    assert legacy["apiVersion"] == "maas.opendatahub.io/v1alpha1"
    assert legacy["metadata"]["annotations"]["maas.opendatahub.io/tls"] == "false"


def parent(**said: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": status} for kind, status in said.items()]}


@pytest.mark.parametrize(
    ("parents", "leads"),
    [
        ([], False),
        ([parent(Accepted="True")], True),
        ([parent(Accepted="True", ResolvedRefs="True", **{SERVED: "True"})], True),
        ([parent(Accepted="True", ResolvedRefs="True", **{SERVED: "False"})], False),
        ([parent(Accepted="True", ResolvedRefs="False")], False),
        ([parent(Accepted="False")], False),
        ([parent(Accepted="True"), parent(Accepted="False")], False),
    ],
)
def test_a_route_leads_somewhere_when_every_parent_says_so(parents: list[dict[str, Any]], leads: bool) -> None:
    route = ExternalModel(handle_of("gpt", "llm"), StandIn("p", "llm", "t")).route
    assert leads_somewhere(route).holds({"status": {"parents": parents}}) is leads
