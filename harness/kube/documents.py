"""Manifests from files, each with the place it came from, so that a fault names file, document and field."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from harness.kube.manifest import Manifest, Ref
from harness.outcome import UsageFault

SUFFIXES: Final = (".yaml", ".yml", ".json")
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a manifest file; `index` counts documents from 1, as people do."""

    manifest: Manifest
    path: Path
    index: int

    @property
    def where(self) -> str:
        """The place, for a sentence."""
        return f"{self.path}, document {self.index}"

    @property
    def ref(self) -> Ref:
        """Which object it is."""
        return Ref.of(self.manifest)


def read_documents(paths: Iterable[Path]) -> list[Document]:
    """Every object below these files and folders: folders in the order of their file names, documents in the order of the file.

    A `kind: List` is its items. Raises UsageFault naming file, document and field for anything that is no manifest.
    """
    return [document for path in paths for file in _files(path) for document in _documents(file)]


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
        if not found:
            raise UsageFault(f"the folder {path} holds no manifest (a file that ends in {', '.join(SUFFIXES)})")
        return found
    if not path.exists():
        raise UsageFault(f"there is no file or folder {path} to read manifests from")
    return [path]


def _documents(path: Path) -> Iterator[Document]:
    try:
        text = path.read_text(encoding="utf-8")
        parsed = list(yaml.load_all(text, Loader=_LOADER))  # a safe loader, in C where there is one
    except OSError as error:
        raise UsageFault(f"cannot read the manifest {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageFault(
            f"the manifest {path} is not UTF-8 text: byte {error.start} is {error.object[error.start]:#x}"
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "an unknown line"
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise UsageFault(f"the manifest {path} is not YAML at {place}: {problem}") from error
    for index, content in enumerate(parsed, start=1):
        if content is None:
            continue
        items = content.get("items") if isinstance(content, Mapping) and content.get("kind") == "List" else [content]
        for item in items or []:
            yield Document(_checked(item, f"{path}, document {index}"), path, index)


def _checked(item: Any, where: str) -> Manifest:
    if not isinstance(item, dict):
        raise UsageFault(f"{where}: expected a Kubernetes object (a mapping), found {type(item).__name__}")
    for field in ("apiVersion", "kind"):
        if not isinstance(item.get(field), str) or not item[field]:
            raise UsageFault(f"{where}: the field {field} is required and must be text, found {item.get(field)!r}")
    metadata = item.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise UsageFault(f"{where}: the field metadata.name is required and must be text")
    namespace = metadata.get("namespace")
    if namespace is not None and not isinstance(namespace, str):
        raise UsageFault(f"{where}: the field metadata.namespace must be text, found {namespace!r}")
    return item
