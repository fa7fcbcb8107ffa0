"""How critical a model and its LoRA adapters are, between the versions of KServe's kinds.

v1alpha1 has fields for it, v1alpha2 none. KServe's conversion webhook keeps the values in annotations; the reference platform runs no
webhook for it, so that its manifests can be applied before any controller lives, and converts as that webhook would.
"""

from collections.abc import Iterable
from typing import Any, Final

import orjson

Json = dict[str, Any]
GROUP: Final = "serving.kserve.io"
KINDS: Final = frozenset({"LLMInferenceService", "LLMInferenceServiceConfig"})
OLD, NEW = f"{GROUP}/v1alpha1", f"{GROUP}/v1alpha2"
OF_MODEL: Final = "internal.serving.kserve.io/model-criticality"
OF_ADAPTERS: Final = "internal.serving.kserve.io/lora-criticalities"
"""A JSON map of an adapter's place, as a string, to its criticality."""
FIELD: Final = "criticality"


def carry(value: Json, before: str) -> None:
    """Move criticality to where the version that `value` has by now keeps it; `before` is the version that it had."""
    if value.get("kind") not in KINDS:
        return
    if (before, value.get("apiVersion")) == (OLD, NEW):
        _into_annotations(value)
    elif (before, value.get("apiVersion")) == (NEW, OLD):
        _out_of_annotations(value)


def _into_annotations(value: Json) -> None:
    model = _model(value)
    found = {OF_MODEL: model.pop(FIELD, None)}
    by_place = {
        str(place): critical for place, each in enumerate(_adapters(model)) if (critical := each.pop(FIELD, None))
    }
    found[OF_ADAPTERS] = orjson.dumps(by_place, option=orjson.OPT_SORT_KEYS).decode() if by_place else None
    said = {name: text for name, text in found.items() if text}
    if said:
        metadata = value["metadata"]
        metadata["annotations"] = (metadata.get("annotations") or {}) | said


def _out_of_annotations(value: Json) -> None:
    annotations: Json = value["metadata"].get("annotations") or {}
    model = _model(value)
    if annotations.get(OF_MODEL):
        model[FIELD] = annotations.pop(OF_MODEL)
    if annotations.get(OF_ADAPTERS):
        by_place = _read(annotations.pop(OF_ADAPTERS))
        for place, each in enumerate(_adapters(model)):
            if str(place) in by_place:
                each[FIELD] = by_place[str(place)]
    if not annotations:
        value["metadata"].pop("annotations", None)


def _model(value: Json) -> Json:
    model = (value.get("spec") or {}).get("model")
    return model if isinstance(model, dict) else {}


def _adapters(model: Json) -> Iterable[Json]:
    lora = model.get("lora")
    adapters = lora.get("adapters") if isinstance(lora, dict) else None
    return [each if isinstance(each, dict) else {} for each in adapters or ()]


def _read(text: str) -> dict[str, str]:
    """The map, empty where somebody wrote another text into the annotation."""
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    whole = isinstance(read, dict) and all(place.isdecimal() and isinstance(each, str) for place, each in read.items())
    return read if whole else {}
