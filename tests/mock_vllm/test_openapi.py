"""The OpenAPI document, and requests that schemathesis makes of it."""

import os

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.mock_vllm.running import Running

EXAMPLES = int(os.environ.get("MOCK_VLLM_FUZZ_EXAMPLES", "15"))  # 350 make more than ten thousand requests


@pytest.fixture(scope="module")
def api(launch):
    server = launch("--enable-lora", environment={"VLLM_SERVER_DEV_MODE": "1"}, private=True)
    return schemathesis.openapi.from_url(f"{server.api.base_url}/openapi.json")


BLOCKING = ("/sleep",)  # a sleeping model lets requests wait, as it should


def operations(api: schemathesis.BaseSchema) -> list:
    return [one.ok() for one in api.get_all_operations() if one.ok().path not in BLOCKING]


def test_no_generated_request_is_a_fault_of_the_server(api):
    tried = 0
    for operation in operations(api):

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            database=None,
        )
        @given(case=operation.as_strategy())
        def every_reply_is_in_order(case):
            reply = case.call(timeout=60)
            assert reply.status_code < 500, (case.as_curl_command(), reply.text)

        every_reply_is_in_order()
        tried += 1
    assert tried >= 25


def test_the_document(server: Running):
    found = server.api.get("/openapi.json").json()
    assert found["openapi"] == "3.1.0"
    chat = found["paths"]["/v1/chat/completions"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    whole = {**chat, "components": found["components"]}
    jsonschema.Draft202012Validator.check_schema(whole)
    validator = jsonschema.Draft202012Validator(whole)
    assert validator.is_valid({"messages": [{"role": "user", "content": "x"}], "max_tokens": 3})
    assert not validator.is_valid({"messages": "x"})
    for path in (
        "/v1/responses",
        "/v1/messages",
        "/v1/embeddings",
        "/tokenize",
        "/score",
        "/v1/responses/{response_id}",
    ):
        assert path in found["paths"]


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/v1/responses", "/tokenize"])
def test_refusals_are_as_the_document_says(server: Running, path):
    found = server.api.get("/openapi.json").json()
    refused = found["paths"][path]["post"]["responses"]["400"]["content"]["application/json"]["schema"]
    validator = jsonschema.Draft202012Validator({**refused, "components": found["components"]})
    reply = server.api.post(path, json={"messages": 5, "input": 5, "prompt": 5})
    assert reply.status_code == 400
    assert list(validator.iter_errors(reply.json())) == []
    assert not validator.is_valid({"detail": "Not Found"})
