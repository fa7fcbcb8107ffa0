"""How critical a model is outlives its way through v1alpha2, where KServe keeps it in annotations."""

import json
import os
from typing import Any

import pytest

from harness.simulator.kubeapi.criticality import NEW, OF_ADAPTERS, OF_MODEL, OLD, carry

from .kinds import Kinds

pytestmark = pytest.mark.skipif(
    "MAAS_BLACKBOX_KUBECONFIG" in os.environ, reason="a bare API server converts by the name of the version alone"
)
PLURAL = "llminferenceservices"
MODEL = "spec.model.criticality"
ADAPTERS = "spec.model.lora.adapters"


def read(kinds: Kinds, name: str, version: str) -> dict[str, Any]:
    answer = kinds.client.get(f"/apis/{version}/namespaces/{kinds.namespace}/{PLURAL}/{name}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def patched(kinds: Kinds, name: str, version: str, patch: dict[str, Any]) -> dict[str, Any]:
    path = f"/apis/{version}/namespaces/{kinds.namespace}/{PLURAL}/{name}"
    answer = kinds.client.patch(path, json=patch, headers={"content-type": "application/merge-patch+json"})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def annotations(found: dict[str, Any]) -> dict[str, str]:
    return found["metadata"].get("annotations") or {}


@pytest.mark.parametrize("word", ["Critical", "Standard", "Sheddable"])
def test_a_models_criticality_is_an_annotation_of_v1alpha2_and_a_field_of_v1alpha1(kinds: Kinds, word: str) -> None:
    made = kinds.created(PLURAL, {MODEL: word, "metadata.annotations": {"own": "1"}}, "m")
    assert made["spec"]["model"]["criticality"] == word
    new = read(kinds, "m", NEW)
    assert "criticality" not in new["spec"]["model"]
    assert annotations(new) == {"own": "1", OF_MODEL: word}
    old = read(kinds, "m", OLD)
    assert (old["spec"]["model"]["criticality"], annotations(old)) == (word, {"own": "1"})


def test_adapters_keep_theirs_by_their_place(kinds: Kinds) -> None:
    adapters = [
        {"uri": "hf://a/1", "criticality": "Critical"},
        {"uri": "hf://a/2"},
        {"uri": "hf://a/3", "criticality": "Standard"},
    ]
    kinds.created(PLURAL, {ADAPTERS: adapters}, "m")
    new = read(kinds, "m", NEW)
    assert json.loads(annotations(new)[OF_ADAPTERS]) == {"0": "Critical", "2": "Standard"}
    assert [sorted(each) for each in new["spec"]["model"]["lora"]["adapters"]] == [["uri"]] * 3
    old = read(kinds, "m", OLD)
    assert old["spec"]["model"]["lora"]["adapters"] == adapters
    assert "annotations" not in old["metadata"]


def test_a_change_by_either_version_leaves_it_and_both_can_change_it(kinds: Kinds) -> None:
    kinds.created(PLURAL, {MODEL: "Critical"}, "m")
    patched(kinds, "m", NEW, {"spec": {"replicas": 2}})
    patched(kinds, "m", OLD, {"metadata": {"labels": {"l": "1"}}})
    assert read(kinds, "m", OLD)["spec"]["model"]["criticality"] == "Critical"
    patched(kinds, "m", NEW, {"metadata": {"annotations": {OF_MODEL: "Standard"}}})
    assert read(kinds, "m", OLD)["spec"]["model"]["criticality"] == "Standard"
    patched(kinds, "m", OLD, {"spec": {"model": {"criticality": None}}})
    assert annotations(read(kinds, "m", NEW)) == {}


def test_applying_again_what_was_applied_changes_nothing(kinds: Kinds) -> None:
    body = kinds.body(PLURAL, {MODEL: "Sheddable"}, "m")
    path = f"/apis/{OLD}/namespaces/{kinds.namespace}/{PLURAL}/m"

    def applied(document: dict[str, Any], status: int) -> dict[str, Any]:
        media = {"content-type": "application/apply-patch+yaml"}
        answer = kinds.client.patch(path, json=document, params={"fieldManager": "test"}, headers=media)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    first, second = applied(body, 201), applied(body, 200)
    assert first["spec"]["model"]["criticality"] == "Sheddable"
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]
    without = kinds.body(PLURAL, {}, "m")
    assert "criticality" not in applied(without, 200)["spec"]["model"]
    assert annotations(read(kinds, "m", NEW)) == {}


@pytest.mark.parametrize("edits", [{MODEL: "Urgent"}, {MODEL: 1}])
def test_another_word_is_refused(kinds: Kinds, edits: dict[str, Any]) -> None:
    assert "criticality" in kinds.refused(PLURAL, edits)


@pytest.mark.parametrize("edits", [{}, {ADAPTERS: [{"uri": "hf://a/1"}]}])
def test_without_any_nothing_is_annotated(kinds: Kinds, edits: dict[str, Any]) -> None:
    kinds.created(PLURAL, edits, "m")
    assert "annotations" not in read(kinds, "m", NEW)["metadata"]


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"first": "Critical"}', '{"0": 1}'])
def test_an_annotation_that_cannot_be_read_goes_and_sets_nothing(text: str) -> None:
    value = {
        "apiVersion": OLD,
        "kind": "LLMInferenceService",
        "metadata": {"annotations": {OF_ADAPTERS: text, "own": "1"}},
        "spec": {"model": {"lora": {"adapters": [{"uri": "hf://a/1"}]}}},
    }
    carry(value, NEW)
    assert value["metadata"] == {"annotations": {"own": "1"}}
    assert value["spec"] == {"model": {"lora": {"adapters": [{"uri": "hf://a/1"}]}}}


def test_other_kinds_keep_what_looks_alike() -> None:
    value = {"apiVersion": NEW, "kind": "Another", "metadata": {}, "spec": {"model": {"criticality": "Critical"}}}
    carry(value, OLD)
    assert value["spec"] == {"model": {"criticality": "Critical"}}
    assert value["metadata"] == {}
