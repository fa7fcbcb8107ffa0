import orjson
import pytest

from harness.client.completion import carries_text, counts_of, last_usage, usage_of, whole_text
from harness.client.exchange import Usage


def chunk(**choice: object) -> str:
    return orjson.dumps({"choices": [{"index": 0, **choice}]}).decode()


def with_usage(total: int | None) -> str:
    usage = None if total is None else {"prompt_tokens": 5, "completion_tokens": total - 5, "total_tokens": total}
    return orjson.dumps({"choices": [], "usage": usage}).decode()


def test_the_last_usage_of_a_stream_counts_not_the_sum():
    assert last_usage([with_usage(6), with_usage(None), with_usage(9), "[DONE]"]) == Usage(5, 4, 9)


def test_a_stream_without_usage_is_unknown_rather_than_free():
    assert last_usage([chunk(delta={"content": "hi"}), "[DONE]"]) is None


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"prompt_tokens": 1},
        {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3.5},
        {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": True},
        "three",
    ],
)
def test_what_is_not_whole_numbers_is_unknown(usage):
    assert usage_of({"usage": usage}) is None


def test_a_missing_total_is_not_invented():
    assert usage_of({"usage": {"input_tokens": 3, "output_tokens": 4}}) is None


def test_embeddings_have_no_completion_tokens():
    assert usage_of({"usage": {"prompt_tokens": 8, "total_tokens": 8}}) == Usage(8, 0, 8)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (chunk(delta={"role": "assistant", "content": ""}), False),
        (chunk(delta={"content": "h"}), True),
        (chunk(delta={"reasoning": "hm"}), True),
        (chunk(delta={"tool_calls": [{"index": 0}]}), True),
        (chunk(text="h"), True),
        (chunk(delta={}, finish_reason="stop"), False),
        (with_usage(7), False),
        ('{"type":"response.output_text.delta","delta":"h"}', True),
        ('{"type":"response.completed","response":{"output":[]}}', False),
        ('{"type":"content_block_delta","delta":{"type":"text_delta","text":"h"}}', True),
        ('{"type":"content_block_start","content_block":{"type":"text","text":""}}', False),
        ("[DONE]", False),
        ("not json", False),
    ],
)
def test_the_first_token_is_the_first_text_not_the_role_chunk(event, text):
    assert carries_text(event) is text


@pytest.mark.parametrize("holder", ["response", "message"])
def test_a_streamed_event_states_usage_inside_of_what_it_tells_of(holder):
    usage = {"input_tokens": 3, "output_tokens": 4}
    assert counts_of({holder: {"usage": usage}}) == (3, 4)
    assert usage_of({holder: {"usage": usage}}) is None
    assert usage_of({holder: {"usage": {**usage, "total_tokens": 7}}}) == Usage(3, 4, 7)


@pytest.mark.parametrize(
    "document",
    [
        {"choices": [{"message": {"content": "hi"}}]},
        {"choices": [{"text": "hi"}]},
        {"output": [{"content": [{"type": "output_text", "text": "hi"}]}]},
        {"content": [{"type": "text", "text": "hi"}]},
    ],
)
def test_the_text_of_an_answer_in_one_piece(document):
    assert whole_text(document) == "hi"
