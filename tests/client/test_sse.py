from itertools import pairwise

import pytest

from harness.client.sse import SseDecoder

STREAM = 'data: {"a": "é"}\r\n\r\n: ping\r\n\r\ndata: one\r\ndata: two\r\nid: 7\r\n\r\ndata: [DONE]\r\n\r\n'.encode()
EVENTS = ['{"a": "é"}', "one\ntwo", "[DONE]"]


def decode(*chunks: bytes) -> list[str]:
    decoder = SseDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)]


@pytest.mark.parametrize("cut", range(1, len(STREAM)))
def test_a_chunk_may_end_anywhere(cut):
    assert decode(STREAM[:cut], STREAM[cut:]) == EVENTS


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_all_three_line_ends_close_a_line_byte_by_byte(ending):
    stream = STREAM.decode().replace("\r\n", ending).encode()
    edges = range(len(stream) + 1)
    assert decode(*(stream[start:end] for start, end in pairwise(edges))) == EVENTS


def test_an_event_without_its_blank_line_is_not_dispatched_and_is_reported():
    decoder = SseDecoder()
    assert list(decoder.feed(b"data: whole\n\ndata: cut")) == ["whole"]
    assert decoder.unfinished


def test_a_finished_stream_leaves_nothing_unfinished():
    decoder = SseDecoder()
    list(decoder.feed(STREAM))
    assert not decoder.unfinished


def test_a_comment_dispatches_nothing():
    assert decode(b": keep-alive\n\n: again\n\n") == []
