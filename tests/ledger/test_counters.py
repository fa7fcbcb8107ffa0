import pytest

from harness.ledger.counters import CALLS, HITS, LIMITED, parse_reading

TEXT = """\
# HELP authorized_hits Authorized hits
# TYPE authorized_hits counter
authorized_hits{limitador_namespace="llm/a",user="alice",subscription="gold",model="m1"} 30
authorized_hits{limitador_namespace="llm/a",user="bob",subscription="gold",model="m1"} 5
authorized_hits{limitador_namespace="llm/b",user="alice",subscription="gold",model="m2"} 7
authorized_hits{subscription="models-as-a-service/silver@llm/m1"} 11
# TYPE authorized_calls counter
authorized_calls_total{subscription="gold",user="alice"} 3
# TYPE other gauge
other{subscription="gold"} 1
"""
READING = parse_reading(TEXT)


@pytest.mark.parametrize(
    ("labels", "total"),
    [
        ({}, 42),
        ({"user": "alice"}, 37),
        ({"user": "alice", "model": "m1"}, 30),
        ({"user": "carol"}, None),
    ],
)
def test_series_are_found_by_their_labels(labels, total):
    assert READING.total(HITS, "gold", **labels) == total


def test_a_label_may_hold_namespace_and_model_too():
    assert READING.total(HITS, "silver", user="anyone") == 11


def test_the_suffix_of_newer_exporters_is_the_same_metric():
    assert READING.total(CALLS, "gold") == 3


def test_no_series_is_unknown_rather_than_zero():
    assert READING.total(LIMITED, "gold") is None
    assert READING.total(HITS, "old") is None


def test_a_reading_says_what_each_series_is_worth_now():
    before, after = (parse_reading(f'authorized_hits{{subscription="iron"}} {worth}') for worth in ("3", "4.0"))
    assert (before.total(HITS, "iron"), after.total(HITS, "iron")) == (3, 4)


@pytest.mark.parametrize(
    "line", ['authorized_hits{subscription="a b} c"} 5', 'authorized_hits{subscription="a b} c"} 5 1795374318']
)
def test_labels_may_hold_spaces_and_braces_and_a_time_may_follow(line):
    assert parse_reading(line).total(HITS, "a b} c") == 5


@pytest.mark.parametrize("text", ["<html>busy</html>", "nothing of the kind", 'authorized_hits{subscription="a"} many'])
def test_what_is_no_prometheus_text_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        parse_reading(text)
