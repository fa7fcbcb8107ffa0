"""Rows 1 to 7 of real vLLM on the wire: keys, errors, models; each test names its row."""

import json

import httpx
import pytest

from tests.mock_vllm.asking import CHAT, chat, error
from tests.mock_vllm.running import Running

# --- row 1: --api-key


@pytest.fixture(scope="module")
def guarded(launch) -> Running:
    return launch("--api-key", "first-key", "second-key")


@pytest.fixture(scope="module")
def named_header(launch) -> Running:
    return launch("--api-key", "first-key", "second-key", "--api-key-header", "x-api-key")


@pytest.mark.parametrize("value", ["Bearer first-key", "bearer second-key", "BEARER first-key"])
def test_row_1_any_key_fits_and_the_scheme_has_no_case(guarded, value):
    assert guarded.api.get("/v1/models", headers={"Authorization": value}).status_code == 200


@pytest.mark.parametrize("value", [None, "Bearer wrong", "Basic first-key", "first-key", "Bearer", "Bearer  first-key"])
def test_row_1_other_credentials_are_refused_with_a_string(guarded, value):
    reply = guarded.api.get("/v1/models", headers={} if value is None else {"Authorization": value})
    assert (reply.status_code, reply.text) == (401, '{"error":"Unauthorized"}')


@pytest.mark.parametrize("path", ["/v1/nothing", "/v2/x", "/inference/v1/generate"])
def test_row_1_guarded_paths_need_not_exist(guarded, path):
    assert guarded.api.get(path).status_code == 401


@pytest.mark.parametrize("path", ["/health", "/metrics", "/version", "/ping", "/load"])
def test_row_1_the_others_stay_open(guarded, path):
    assert guarded.api.get(path).status_code == 200


def test_row_1_tokenize_stays_open(guarded):
    assert guarded.api.post("/tokenize", json={"prompt": "x"}).status_code == 200


def test_row_1_options_is_exempt(guarded):
    assert guarded.api.options("/v1/models").status_code == 405


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-api-key": "first-key"}, 200),
        ({"X-Api-Key": "second-key"}, 200),
        ({"x-api-key": "wrong"}, 401),
        ({"x-api-key": "Bearer first-key"}, 401),
        ({"Authorization": "Bearer first-key"}, 401),
        ({"Authorization": "Bearer first-key", "x-api-key": "wrong"}, 401),
        ({}, 401),
    ],
)
def test_a_key_may_be_wanted_in_anthropics_header(named_header, headers, status):
    assert named_header.api.get("/v1/models", headers=headers).status_code == status


# --- rows 2 to 6: errors


def test_row_2_the_error_object(server):
    found = error(chat(server, temperature=-1), 400)
    assert found["type"] == "BadRequestError"
    assert found["param"] == "temperature"
    assert "temperature must be non-negative, got -1" in found["message"]


def test_row_3_a_missing_field(server):
    found = error(server.api.post("/v1/completions", json={"prompt": 5}), 400)
    assert found["type"] == "Bad Request"
    assert found["param"] == "body.prompt"
    assert found["message"].startswith("1 validation error:\n  {'type': ")


def test_row_3_every_wrong_field_is_reported(server):
    found = error(server.api.post("/v1/chat/completions", json={"max_tokens": "many", "stream": []}), 400)
    assert found["message"].startswith("3 validation errors:\n  {")
    for name in ("body.messages", "body.max_tokens", "body.stream"):
        assert name in found["message"]


def test_row_3_broken_json_keeps_the_connection(server):
    with httpx.Client(base_url=server.api.base_url) as client:
        first = client.post(
            "/v1/chat/completions", content=b'{"messages": [', headers={"Content-Type": "application/json"}
        )
        found = error(first, 400)
        assert found["type"] == "Bad Request"
        assert "json_invalid" in found["message"]
        assert "connection" not in first.headers
        assert client.post("/v1/chat/completions", json=CHAT).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_row_3_other_content_types(server, kind):
    reply = server.api.post("/v1/chat/completions", content=json.dumps(CHAT), headers={"Content-Type": kind})
    assert "Only 'application/json' is allowed" in error(reply, 400)["message"]


def test_row_3_a_charset_is_no_other_content_type(server):
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert server.api.post("/v1/chat/completions", content=json.dumps(CHAT), headers=headers).status_code == 200


def test_row_4_unknown_model(server):
    found = error(chat(server, model="nobody"), 404)
    assert found == {
        "message": "The model `nobody` does not exist.",
        "type": "NotFoundError",
        "param": "model",
        "code": 404,
    }


@pytest.mark.parametrize("body", [{}, {"model": None}])
def test_row_4_no_model_is_the_base_model(server, body):
    assert chat(server, **body).json()["model"] == "shown"


def test_row_5_context_overflow(server):
    found = error(chat(server, max_tokens=32768), 400)
    assert found["param"] == "input_tokens"
    assert found["message"] == (
        "This model's maximum context length is 32768 tokens. However, you requested 32768 output tokens and your prompt contains at "
        "least 8 input tokens, for a total of at least 32776 tokens. Please reduce the length of the input prompt or the number of "
        "requested output tokens. (parameter=input_tokens, value=8)"
    )


def test_row_5_exactly_the_context_fits(launch):
    small = launch("--max-model-len", "64")
    assert chat(small, max_tokens=56).json()["usage"]["total_tokens"] == 64
    assert chat(small, max_tokens=57).status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/v1/unknown", 404, "Not Found"),
        ("GET", "/v1/chat/completions", 405, "Method Not Allowed"),
    ],
)
def test_row_6_unknown_path_and_method(server, launch, method, path, status, text):
    found = error(server.api.request(method, path), status)
    assert (found["message"], found["type"]) == (text, text)
    old = launch("--vllm-version", "0.11.0")
    assert old.api.request(method, path).json() == {"detail": text}


# --- row 7: models


def test_row_7_model_cards(server):
    found = server.api.get("/v1/models").json()
    assert found["object"] == "list"
    assert [card["id"] for card in found["data"]] == ["shown", "alias"]
    card = found["data"][0]
    assert set(card) == {"id", "object", "created", "owned_by", "root", "parent", "max_model_len", "permission"}
    assert (card["object"], card["owned_by"], card["root"], card["parent"]) == ("model", "vllm", "test-model", None)
    assert card["max_model_len"] == 32768
    assert card["permission"][0]["object"] == "model_permission"
    assert server.api.get("/v1/models").json()["data"][0]["created"] == card["created"]
