"""The setup guide's own manifests as input, under names that let checks run side by side.

Only names change: of the object, of what refers to it, and of the model it serves. All else reaches the platform as the guide has it.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.kube.manifest import Manifest, Ref
from harness.platforms.platform import ModelHandle
from harness.world.force import LLMIS
from harness.world.twin import handle_of


@dataclass(frozen=True, slots=True)
class GuideModel:
    """An LLMInferenceService of the guide: its manifest, and how callers name it."""

    manifest: Manifest
    handle: ModelHandle

    @property
    def ref(self) -> Ref:
        """The object."""
        return Ref(LLMIS, "LLMInferenceService", self.handle.name, self.handle.namespace)


def read(path: Path) -> Any:
    """One document of the guide, YAML or JSON."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def model_of(document: Mapping[str, Any], name: str) -> GuideModel:
    """The guide's LLMInferenceService under another name; the name it serves gets the same ending, since two would be one alias."""
    manifest = deepcopy(dict(document))
    manifest["metadata"]["name"] = name
    served = f"{manifest['spec']['model']['name']}-{name}"
    manifest["spec"]["model"]["name"] = served
    namespace = manifest["metadata"]["namespace"]
    return GuideModel(manifest, handle_of(namespace, name, served))


def registration_of(document: Mapping[str, Any], model: ModelHandle) -> Manifest:
    """The guide's MaaSModelRef, for that model."""
    manifest = deepcopy(dict(document))
    manifest["metadata"]["name"] = model.name
    manifest["spec"]["modelRef"]["name"] = model.name
    return manifest
