"""A world of many models: each an LLMInferenceService and its registration, governed ten at a time by a subscription and a policy."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

MAAS = "maas.opendatahub.io/v1alpha1"
KSERVE = "serving.kserve.io/v1alpha1"
GATEWAY = {"name": "maas-default-gateway", "namespace": "openshift-ingress"}
HOME, SUBSCRIPTIONS = "llm", "models-as-a-service"
TOGETHER = 10


def names(count: int) -> list[str]:
    """What the models are called."""
    return [f"crowd-{number}" for number in range(count)]


def write(folder: Path, count: int) -> Path:
    """The world as a file that `--world` takes."""
    path = folder / "crowd.yaml"
    path.write_text(yaml.safe_dump_all(documents(names(count))), encoding="utf-8")
    return path


def documents(models: Sequence[str]) -> Iterator[dict[str, Any]]:
    """All manifests."""
    for name in models:
        yield from model(name)
    for number, start in enumerate(range(0, len(models), TOGETHER)):
        yield from governance(
            f"crowd-{number}", models[start : start + TOGETHER], {"groups": [{"name": "system:authenticated"}]}
        )


def model(name: str) -> Iterator[dict[str, Any]]:
    """One model behind the MaaS gateway."""
    yield {
        "apiVersion": KSERVE,
        "kind": "LLMInferenceService",
        "metadata": {"name": name, "namespace": HOME},
        "spec": {
            "model": {"uri": "hf://placeholder/no-model", "name": f"crowd/{name}"},
            "replicas": 1,
            "router": {"route": {}, "gateway": {"refs": [GATEWAY]}},
        },
    }
    yield {
        "apiVersion": MAAS,
        "kind": "MaaSModelRef",
        "metadata": {"name": name, "namespace": HOME},
        "spec": {"modelRef": {"kind": "LLMInferenceService", "name": name}},
    }


def governance(name: str, models: Sequence[str], who: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A policy and an ample subscription for these models."""
    metadata = {"name": name, "namespace": SUBSCRIPTIONS}
    refs = [{"name": model, "namespace": HOME} for model in models]
    limits = [{"limit": 1_000_000, "window": "24h"}]
    yield {
        "apiVersion": MAAS,
        "kind": "MaaSAuthPolicy",
        "metadata": metadata,
        "spec": {"modelRefs": refs, "subjects": who},
    }
    yield {
        "apiVersion": MAAS,
        "kind": "MaaSSubscription",
        "metadata": metadata,
        "spec": {"owner": who, "modelRefs": [{**ref, "tokenRateLimits": limits} for ref in refs]},
    }
