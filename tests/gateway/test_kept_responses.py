"""Responses that a model server keeps: not offered by the governed gateway, so none is generated unpaid, paid twice, or read by another."""

import httpx
import pytest

from tests.gateway.conftest import Caller, Rig
from tests.gateway.world import fresh

LARGE = (100_000, "1h")


def asked(caller: Caller, method: str, path: str, content: bytes | str | None = None) -> tuple[httpx.Response, int]:
    """The answer below the model's own path, and how often its server heard of the request."""
    request_id, base = fresh("kept"), caller.model.path.removesuffix("/v1/chat/completions")
    headers = caller.headers | {"Content-Type": "application/json", "X-Request-Id": request_id}
    answer = caller.rig.http.request(method, caller.rig.url + base + path, content=content, headers=headers)
    return answer, len([item for item in caller.rig.models.arrivals if item.headers.get("x-request-id") == request_id])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/responses/resp_1"),
        ("GET", "/v1/responses/resp_1?stream=true&starting_after=3"),
        ("GET", "/v1/responses/resp_1/"),
        ("GET", "/v1/responses/resp_1/input_items"),
        ("DELETE", "/v1/responses/resp_1"),
        ("POST", "/v1/responses/resp_1/cancel"),
        ("GET", "//v1//responses//resp_1"),
        ("GET", "/v1/respon%73es/resp_1"),
        ("GET", "/v1/responses%2Fresp_1"),
        ("GET", "/v1%2fresponses%2fresp_1"),
    ],
)
def test_a_kept_response_is_nobody_s_to_fetch_and_costs_nothing(rig: Rig, method: str, path: str) -> None:
    caller = rig.limited(LARGE)
    answer, arrivals = asked(caller, method, path)
    assert answer.status_code == 404, answer.text
    assert answer.json()["error"] == {
        "message": "Kept responses are not offered here: none can be fetched or cancelled later.",
        "type": "invalid_request_error",
        "param": "response_id",
        "code": 404,
    }
    assert (arrivals, caller.used()) == (0, 0)


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ('{"background": true}', "background"),
        ('{"input": "x", "background" : 1}', "background"),
        ('{"background": "yes", "stream": true}', "background"),
        ('{"background": true, "background": false}', "background"),
        ('{"background": false, "background": true}', "background"),
        ('{"backgro\\u0075nd": true}', "background"),
        ('{"input": [{"a": "}"}], "previous_response_id": "resp_1"}', "previous_response_id"),
    ],
)
def test_what_needs_a_kept_response_is_refused_before_anything_is_generated(rig: Rig, body: str, member: str) -> None:
    caller = rig.limited(LARGE)
    answer, arrivals = asked(caller, "POST", "/v1/responses", body)
    assert answer.status_code == 400, answer.text
    assert (answer.json()["error"]["param"], answer.json()["error"]["code"]) == (member, 400)
    assert (arrivals, caller.used()) == (0, 0)


def test_a_body_that_only_a_model_server_could_read_is_refused(rig: Rig) -> None:
    caller = rig.limited(LARGE)
    answer, arrivals = asked(caller, "POST", "/v1/responses", '{"background": true}'.encode("utf-16"))
    assert (answer.status_code, arrivals) == (400, 0), answer.text


@pytest.mark.parametrize(
    "body",
    [
        '{"input": "x", "store": true}',
        '{"background": false, "previous_response_id": null}',
        '{"metadata": {"background": true, "previous_response_id": "resp_1"}, "input": "\\"background\\": true"}',
        '{"input": "background"}',
    ],
)
def test_any_other_response_is_generated_and_charged_once(rig: Rig, body: str) -> None:
    caller = rig.limited(LARGE)
    answer, arrivals = asked(caller, "POST", "/v1/responses", body)
    assert (answer.status_code, arrivals) == (200, 1), answer.text
    assert caller.used() == answer.json()["usage"]["total_tokens"]


def test_who_is_nobody_learns_nothing_of_it(rig: Rig) -> None:
    caller = rig.limited(LARGE)
    path = caller.model.path.replace("chat/completions", "responses/resp_1")
    assert rig.http.get(rig.url + path).status_code == 401


def test_a_spent_budget_is_told_first(rig: Rig) -> None:
    caller = rig.limited((10, "1h"))
    caller.spend(10)
    answer, arrivals = asked(caller, "POST", "/v1/responses", '{"background": true}')
    assert (answer.status_code, arrivals) == (429, 0)
