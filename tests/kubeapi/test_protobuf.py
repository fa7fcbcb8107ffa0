"""Protobuf bodies, written here by hand so that the decoder meets bytes that it did not make."""

import random
from typing import Any

import pytest

from harness.simulator.kubeapi.protobuf import MAGIC, decode_envelope
from harness.simulator.kubeapi.status import ApiError


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def text(field: int, value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(raw)) + raw


def whole(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    return MAGIC + text(1, text(1, api_version) + text(2, kind)) + text(2, raw)


def decoded(api_version: str, kind: str, raw: bytes) -> dict[str, Any]:
    return decode_envelope(envelope(api_version, kind, raw))


def test_a_config_map_with_labels_and_data() -> None:
    labels = text(11, text(1, "app") + text(2, "x"))
    raw = text(1, text(1, "name") + labels + text(8, b"")) + text(2, text(1, "key") + text(2, "value"))
    assert decoded("v1", "ConfigMap", raw) == {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "name", "labels": {"app": "x"}},
        "data": {"key": "value"},
    }


def test_the_zero_of_a_pointer_counts_and_the_zero_of_a_value_does_not() -> None:
    # DeploymentSpec: replicas (1) is a pointer, minReadySeconds (5) and paused (7) are values.
    spec = whole(1, 0) + whole(5, 0) + whole(7, 0)
    assert decoded("apps/v1", "Deployment", text(2, spec))["spec"] == {"replicas": 0}


def test_embedded_messages_belong_to_the_outer_object() -> None:
    # Volume: its source (2) is embedded; emptyDir is field 2 of the source and present although empty.
    volume = text(1, "v") + text(2, text(2, b""))
    spec = text(1, volume)
    assert decoded("v1", "Pod", text(2, spec))["spec"]["volumes"] == [{"name": "v", "emptyDir": {}}]


def test_ports_are_numbers_or_names() -> None:
    number, name = whole(1, 0) + whole(2, 8080) + text(3, ""), whole(1, 1) + whole(2, 0) + text(3, "http")
    ports = text(1, whole(3, 80) + text(4, number)) + text(1, whole(3, 81) + text(4, name))
    assert decoded("v1", "Service", text(2, ports))["spec"]["ports"] == [
        {"port": 80, "targetPort": 8080},
        {"port": 81, "targetPort": "http"},
    ]


def test_quantities_are_texts() -> None:
    limits = text(1, text(1, "cpu") + text(2, text(1, "500m")))
    container = text(1, "c") + text(8, limits)
    assert decoded("v1", "Pod", text(2, text(2, container)))["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "500m"}
    }


def test_a_negative_number_is_read_as_one() -> None:
    assert decoded("apps/v1", "Deployment", text(2, whole(1, 2**64 - 1)))["spec"] == {"replicas": -1}


def test_delete_options_of_any_group() -> None:
    assert decoded("apps/v1", "DeleteOptions", text(4, "Foreground"))["propagationPolicy"] == "Foreground"


def test_unknown_fields_are_passed_over() -> None:
    assert decoded("v1", "ConfigMap", text(99, "x") + whole(98, 5))["kind"] == "ConfigMap"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"k8s",
        b'{"kind":"Pod"}',
        MAGIC + b"\xff",
        MAGIC + b"\x0a\xff",
        envelope("v1", "Nothing", b""),
        envelope("example.com/v1", "Widget", b""),
        envelope("v1", "ConfigMap", b"\x0b"),
        envelope("v1", "ConfigMap", b"\x08\x01"),
        envelope("v1", "ConfigMap", text(1, text(1, b"\xff\xfe"))),
        envelope("v1", "ConfigMap", b"\xff" * 12),
    ],
)
def test_malformed_bodies_are_400(raw: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        decode_envelope(raw)
    assert refused.value.code == 400


def test_damaged_bodies_are_decoded_or_refused() -> None:
    chance = random.Random(7)
    container = text(1, "c") + text(2, "image") + text(8, text(1, text(1, "cpu") + text(2, text(1, "1"))))
    sound = envelope("v1", "Pod", text(1, text(1, "p")) + text(2, text(2, container)))
    outcomes = set()
    for _ in range(2000):
        damaged = bytearray(sound)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(4, len(damaged))] = chance.randrange(256)
        try:
            decode_envelope(bytes(damaged))
        except ApiError as refused:
            outcomes.add(refused.code)
        else:
            outcomes.add(200)
    assert outcomes == {200, 400}
