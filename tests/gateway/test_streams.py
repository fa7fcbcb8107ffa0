"""Event streams through the real gateway: charged exactly, passed on as they come, and without usage that nobody asked for."""

import json

import httpx
import pytest

from tests.gateway.conftest import Rig, sse
from tests.gateway.provider import messages_events, messages_usage
from tests.gateway.world import eventually, fresh

LARGE = (100_000, "1h")


def usages(text: str) -> list[int]:
    """total_tokens of each event that carries usage."""
    return [item["usage"]["total_tokens"] for item in sse(text) if isinstance(item, dict) and item.get("usage")]


def test_a_stream_that_did_not_ask_for_usage_is_charged_and_shows_it_once_at_the_end(rig: Rig) -> None:
    caller = rig.limited(LARGE)
    text = caller.post({"prompt": 7, "tokens": 20}, stream=True).text
    events = sse(text)
    assert len(events) == 22
    assert events[-1] == "[DONE]"
    assert events[-2]["choices"] == []
    assert usages(text) == [27]
    assert caller.used() == 27


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({"include_usage": True}, [15]),
        ({"include_usage": False}, [15]),
        ({}, [15]),
        (None, [15]),
        ({"include_usage": True, "continuous_usage_stats": True}, [*range(6, 16), 15]),
    ],
)
def test_whatever_the_client_asked_it_is_charged_once_and_sees_its_own_wish(
    rig: Rig, asked: dict | None, shown: list[int]
) -> None:
    caller = rig.limited(LARGE)
    assert usages(caller.post(stream=True, stream_options=asked).text) == shown
    assert caller.used() == 15


def test_the_backend_gets_the_body_as_sent_but_for_the_stream_options(rig: Rig) -> None:
    caller, request_id = rig.limited(LARGE), fresh("body")
    sent = (
        '{"zeta": 1, "model": "MODEL", "seed": 9007199254740993, "x": "a \\u00fc }", "stream": true, "n": 1.0}'
    ).replace("MODEL", caller.model.alias)
    headers = caller.headers | {"Content-Type": "application/json", "X-Request-Id": request_id}
    assert rig.http.post(rig.url + caller.model.path, content=sent, headers=headers).status_code == 200
    forced = '"stream_options":{"include_usage":true,"continuous_usage_stats":true}'
    assert rig.models.of(request_id)[0].body.decode() == sent[:-1] + "," + forced + "}"


def test_a_call_that_does_not_stream_is_passed_on_untouched(rig: Rig) -> None:
    caller, request_id = rig.limited(LARGE), fresh("body")
    sent = '{"model": "MODEL",  "stream": false, "x": [1, 2 ]}\n'.replace("MODEL", caller.model.alias)
    headers = caller.headers | {"Content-Type": "application/json", "X-Request-Id": request_id}
    assert rig.http.post(rig.url + caller.model.path, content=sent, headers=headers).status_code == 200
    assert rig.models.of(request_id)[0].body.decode() == sent


@pytest.mark.parametrize("value", ["1", '"true"'])
@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "text/plain", ""])
def test_a_lenient_spelling_of_stream_or_a_wrong_content_type_does_not_escape_the_charge(
    rig: Rig, value: str, content_type: str
) -> None:
    caller = rig.limited(LARGE)
    sent = '{"model": "MODEL", "stream": VALUE}'.replace("MODEL", caller.model.alias).replace("VALUE", value)
    headers = caller.headers | ({"Content-Type": content_type} if content_type else {})
    assert rig.http.post(rig.url + caller.model.path, content=sent.encode(), headers=headers).status_code == 200
    assert caller.used() == 15


FREE = [
    pytest.param('"metadata": {"stream_options": {}}', id="inside-another-field"),
    pytest.param(
        '"stream_options": {}, "stream_opti\\u006fns": {"include_usage": false}', id="once-more-with-an-escape"
    ),
    pytest.param('"stream_options": {"a": "}"}, "stream_options": {"include_usage": false}', id="said-twice"),
    pytest.param('"stream_options": false, "x": [{"stream_options": null}]', id="of-another-type"),
    pytest.param('"x": 1e999', id="with-a-number-beyond-every-range"),
]


@pytest.mark.parametrize("written", FREE)
def test_no_way_of_writing_a_request_makes_its_stream_free(rig: Rig, written: str) -> None:
    caller = rig.limited(LARGE)
    sent = f'{{"model": "{caller.model.alias}", "stream": true, {written}}}'
    headers = caller.headers | {"Content-Type": "application/json"}
    assert rig.http.post(rig.url + caller.model.path, content=sent.encode(), headers=headers).status_code == 200
    assert caller.used() == 15


def test_what_a_caller_calls_stream_options_further_inside_is_left_alone(rig: Rig) -> None:
    caller, request_id = rig.limited(LARGE), fresh("body")
    inside = '"x": [{"stream_options": {"a": "]"}}], "\\u0022": "\\"stream_options\\": {", "stream": true'
    sent = f'{{"stream_options" : null , "model": "{caller.model.alias}", {inside}}}'
    headers = caller.headers | {"Content-Type": "application/json", "X-Request-Id": request_id}
    assert rig.http.post(rig.url + caller.model.path, content=sent, headers=headers).status_code == 200
    forced = '{"include_usage":true,"continuous_usage_stats":true}'
    assert rig.models.of(request_id)[0].body.decode() == sent.replace("null , ", forced + ", ", 1)


@pytest.mark.parametrize("pieces", [1, 7, 64])
def test_events_that_arrive_in_pieces_are_charged_and_delivered_whole(rig: Rig, pieces: int) -> None:
    caller = rig.limited(LARGE)
    text = caller.post({"tokens": 6, "pieces": pieces}, stream=True).text
    assert [item["choices"][0]["delta"]["content"] for item in sse(text)[:6]] == ['ü,"usage":{"total_tokens":999}'] * 6
    assert usages(text) == [11]
    assert caller.used() == 11


def test_a_stream_without_its_closing_line_is_delivered_and_charged(rig: Rig) -> None:
    caller = rig.limited(LARGE)
    text = caller.post({"tokens": 3, "done": False}, stream=True).text
    assert usages(text) == [8]
    assert caller.used() == 8


def test_an_aborted_stream_is_charged_for_what_was_generated(rig: Rig) -> None:
    caller = rig.limited(LARGE)
    seen = 0
    rig.models.aborted.clear()
    body = caller.body({"tokens": 1000, "delay": 0.01}, stream=True)
    with rig.http.stream("POST", rig.url + caller.model.path, json=body, headers=caller.headers) as answer:
        for line in answer.iter_lines():
            assert "usage" not in json.loads(line.removeprefix("data: ")) if line else True
            seen += bool(line)
            if seen == 10:
                break
    assert rig.models.aborted.wait(60)
    used = eventually(caller.used)
    assert 5 + 10 <= used < 5 + 500


def test_events_are_passed_on_as_they_come(rig: Rig) -> None:
    caller = rig.limited(LARGE)
    rig.models.aborted.clear()
    body = caller.body({"tokens": 2, "delay": 3600}, stream=True)
    with rig.http.stream("POST", rig.url + caller.model.path, json=body, headers=caller.headers) as answer:
        first = next(line for line in answer.iter_lines() if line)
    assert "choices" in first
    assert rig.models.aborted.wait(60), "the model had nothing left to write when its first event was read"


def test_a_response_without_usage_costs_nothing(rig: Rig) -> None:
    caller = rig.limited(LARGE)
    assert caller.post({"usage": False}).status_code == 200
    assert caller.post({"usage": False}, stream=True).status_code == 200
    caller.fence()
    assert rig.counters(caller.user) == []
    assert rig.metric("authorized_calls", caller.user) == 2


def test_a_response_of_no_tokens_costs_one(rig: Rig) -> None:
    caller = rig.limited(LARGE)
    assert caller.post({"prompt": 0, "tokens": 0}).status_code == 200
    assert caller.used() == 1


@pytest.mark.parametrize("status", [400, 500])
def test_an_error_is_charged_when_it_carries_usage_and_only_then(rig: Rig, status: int) -> None:
    caller = rig.limited(LARGE)
    error = {"error": {"message": "no", "code": status}}
    answer = caller.post({"body": json.dumps(error), "status": status})
    assert (answer.status_code, answer.json()) == (status, error)
    assert caller.used() == 0
    caller.post({"body": json.dumps(error | {"usage": {"total_tokens": 4}}), "status": status})
    assert caller.used() == 4


@pytest.mark.parametrize(("usage", "charged"), [('"many"', 0), ("null", 0), ("-5", 0), ("[]", 0), ("1.5", 1)])
def test_usage_that_is_no_count_breaks_nothing_and_charges_whole_tokens_alone(
    rig: Rig, usage: str, charged: int
) -> None:
    caller = rig.limited(LARGE)
    answer = caller.post({"body": '{"usage": {"total_tokens": COUNT}}'.replace("COUNT", usage)})
    assert answer.status_code == 200
    assert caller.used() == charged


def test_a_large_answer_in_many_frames_is_charged(rig: Rig) -> None:
    caller = rig.limited(LARGE)
    filler = '"usage":{"total_tokens":999}' * 20_000
    body = json.dumps({"choices": [{"message": {"content": filler}}], "usage": {"total_tokens": 77}})
    answer = caller.post({"body": body})
    assert answer.text == body
    assert caller.used() == 77


def test_concurrent_streams_never_mix(rig: Rig) -> None:
    caller = rig.limited(LARGE)
    with httpx.Client(trust_env=False, verify=False) as first, httpx.Client(trust_env=False, verify=False) as second:
        one = caller.body({"tokens": 30, "delay": 0.002, "prompt": 100}, stream=True)
        two = caller.body({"tokens": 30, "delay": 0.002, "prompt": 1000}, stream=True)
        with (
            first.stream("POST", rig.url + caller.model.path, json=one, headers=caller.headers) as a,
            second.stream("POST", rig.url + caller.model.path, json=two, headers=caller.headers) as b,
        ):
            texts = [a.read().decode(), b.read().decode()]
    assert [usages(text) for text in texts] == [[130], [1030]]
    assert caller.used() == 1160


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.row("MAAS-TOK-006")
def test_messages_are_charged_though_their_usage_has_no_total(rig: Rig, streamed: bool) -> None:
    told = {"prompt": 7, "tokens": 20, "cached": 3}
    whole = json.dumps({"content": [{"text": 'w,"usage":{"output_tokens":999}'}], "usage": messages_usage(told)})
    text, kind = ("".join(messages_events(told)), "text/event-stream") if streamed else (whole, "application/json")
    caller = rig.limited(LARGE)
    path = caller.model.path.replace("/chat/completions", "/messages") + "?beta=true"
    body = caller.body({"body": text, "type": kind}, stream=streamed)
    answer = rig.http.post(rig.url + path, json=body, headers=caller.headers)
    assert answer.text == text
    assert caller.used() == 7 + 3 + 20
