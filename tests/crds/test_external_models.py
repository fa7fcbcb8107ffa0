"""What the kinds for external models and their providers accept, row by row."""

from typing import Any

import pytest

from .kinds import REMOVE, Kinds


@pytest.mark.row("MAAS-CRD-060", "MAAS-CRD-061", "MAAS-CRD-062")
@pytest.mark.parametrize(
    ("edits", "place"),
    [
        ({"spec.provider": ""}, "spec.provider"),
        ({"spec.provider": "p" * 64}, "spec.provider"),
        ({"spec.targetModel": ""}, "spec.targetModel"),
        ({"spec.targetModel": "m" * 254}, "spec.targetModel"),
        *[
            ({"spec.endpoint": text}, "spec.endpoint")
            for text in ("https://api.x", "api.x/v1", "api.x:443", "", "a" * 254, "-a.b", "a..b")
        ],
        ({"spec.credentialRef": {}}, "spec.credentialRef.name"),
        ({"spec.credentialRef": REMOVE}, "spec.credentialRef"),
    ],
)
def test_legacy_external_model_refused(kinds: Kinds, edits: dict[str, Any], place: str) -> None:
    assert place in kinds.refused("externalmodels", edits)


@pytest.mark.row("MAAS-CRD-061", "MAAS-CRD-062")
def test_legacy_external_model_takes_any_provider_and_annotation(kinds: Kinds) -> None:
    annotations = {"maas.opendatahub.io/port": "abc", "maas.opendatahub.io/tls": "maybe"}
    created = kinds.created("externalmodels", {"spec.provider": "anything", "metadata.annotations": annotations})
    assert created["metadata"]["annotations"] == annotations


_REF = "spec.externalProviderRefs"


@pytest.mark.row("MAAS-CRD-063", "MAAS-CRD-064")
@pytest.mark.parametrize(
    ("edits", "place"),
    [
        ({_REF: []}, _REF),
        ({_REF: [{"ref": {"name": "p"}, "targetModel": "m", "apiFormat": "f"}] * 65}, _REF),
        *[({f"{_REF}.0.weight": weight}, "weight") for weight in (-1, 101)],
        *[({f"{_REF}.0.path": path}, "path") for path in ("v1", "", "/" * 513)],
        ({f"{_REF}.0.targetModel": "m" * 254}, "targetModel"),
        ({f"{_REF}.0.targetModel": ""}, "targetModel"),
        ({f"{_REF}.0.apiFormat": "f" * 64}, "apiFormat"),
        ({f"{_REF}.0.ref": {}}, "name"),
        ({f"{_REF}.0.auth": {"type": "basic"}}, "auth.type"),
        ({"spec.modelName": "m" * 254}, "spec.modelName"),
    ],
)
def test_external_model_refused(kinds: Kinds, edits: dict[str, Any], place: str) -> None:
    assert place in kinds.refused("inference/externalmodels", edits)


@pytest.mark.row("MAAS-CRD-063", "MAAS-CRD-064")
@pytest.mark.parametrize("auth", ["apikey", "simple", "sigv4", "oauth2"])
def test_external_model_accepted(kinds: Kinds, auth: str) -> None:
    entry = {"ref": {"name": "p"}, "targetModel": "m", "apiFormat": "f", "path": "/v1", "config": {"a": "b"}}
    entry |= {"auth": {"type": auth, "secretRef": {"name": "s"}}}
    spec = kinds.created("inference/externalmodels", {_REF: [entry] * 64})["spec"]
    assert spec["externalProviderRefs"] == [entry | {"weight": 1}] * 64
    assert kinds.created("inference/externalproviders", {"spec.auth.type": auth})["spec"]["auth"]["type"] == auth


@pytest.mark.row("MAAS-CRD-064", "MAAS-CRD-065")
@pytest.mark.parametrize(
    ("edits", "place"),
    [
        ({"spec.endpoint": "localhost"}, "spec.endpoint"),
        ({"spec.endpoint": "https://a.b"}, "spec.endpoint"),
        ({"spec.provider": "p" * 64}, "spec.provider"),
        ({"spec.auth": REMOVE}, "spec.auth"),
        ({"spec.auth.type": "basic"}, "spec.auth.type"),
    ],
)
def test_external_provider_refused(kinds: Kinds, edits: dict[str, Any], place: str) -> None:
    assert place in kinds.refused("inference/externalproviders", edits)
