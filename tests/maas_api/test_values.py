"""Texts that clients write: keys, lifetimes, groups."""

import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from harness.simulator.maas_api.credential import Credential, generate, is_api_key, parse
from harness.simulator.maas_api.duration import DurationError, format_go
from harness.simulator.maas_api.duration import parse as seconds
from harness.simulator.maas_api.identity import parse_groups
from harness.simulator.maas_api.record import rfc3339

BASE62 = some.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", min_size=1)


@pytest.mark.row("MAAS-KEY-002")
@given(BASE62, BASE62)
def test_a_key_is_read_as_it_is_written(key_id: str, secret: str) -> None:
    credential = Credential(key_id, secret)
    assert parse(credential.reveal()) == credential
    assert is_api_key(credential.reveal())


@pytest.mark.row("MAAS-KEY-004")
@given(BASE62, BASE62, BASE62)
def test_no_other_division_of_a_key_has_its_hash(first: str, middle: str, last: str) -> None:
    assert Credential(first + middle, last).digest() != Credential(first, middle + last).digest()


def test_a_key_does_not_show_itself() -> None:
    credential = generate()
    assert credential.secret not in repr(credential)
    assert credential.secret not in f"{credential}"


@given(some.text())
def test_other_texts_are_no_keys(text: str) -> None:
    found = parse(text)
    assert found is None or found.reveal() == text


@pytest.mark.row("MAAS-KEY-086")
@given(some.integers(min_value=1, max_value=10**7))
def test_a_duration_is_read_as_it_is_written(number: int) -> None:
    assert seconds(format_go(number)) == number


@pytest.mark.row("MAAS-KEY-023")
@given(some.text(max_size=200))
def test_other_texts_are_durations_or_refused(text: str) -> None:
    try:
        found = seconds(text)
    except DurationError:
        return
    assert isinstance(found, Decimal)


@pytest.mark.parametrize(
    "text", ["1" * 1_000_000, "1." * 500_000, "1h" * 300_000, "." * 1_000_000, "1" * 40 + "." * 20]
)
def test_no_text_takes_long_to_refuse(text: str) -> None:
    started = time.process_time()
    with pytest.raises(DurationError):
        seconds(text)
    assert time.process_time() - started < 0.5


@pytest.mark.row("MAAS-API-018")
@given(some.lists(some.text()))
def test_groups_survive_json(names: list[str]) -> None:
    import orjson

    try:
        text = orjson.dumps(names).decode()
    except orjson.JSONEncodeError:  # lone surrogates have no place in JSON
        return
    assert list(parse_groups(text)) == [name.strip() for name in names if name.strip()]


@pytest.mark.row("MAAS-API-018", "MAAS-SEC-011")
@given(some.text())
def test_any_other_text_gives_trimmed_names_or_none(text: str) -> None:
    assert all(name and name == name.strip() for name in parse_groups(text))


@pytest.mark.row("MAAS-KEY-001")
@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_500_000, "1970-01-01T00:00:01.5Z"),
        (1_787_300_000_000_001, "2026-08-21T08:13:20.000001Z"),
    ],
)
def test_instants_are_utc(instant: int, text: str) -> None:
    assert rfc3339(instant) == text
