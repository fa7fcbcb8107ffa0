"""YAML by libyaml where PyYAML was built with it: ten times as fast, which a report of thousands of lines notices."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FAST_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_DEPTH: Final = 32
"""Levels of a document: ours have fewer than ten."""


class _Dumper(_FAST_DUMPER):  # type: ignore[misc]  # which of the two it is, is known on the machine alone
    def ignore_aliases(self, data: object) -> bool:
        """What occurs twice is written twice: `load_plain` takes no aliases."""
        return True


@dataclass(slots=True)
class _OpenMapping:
    keys: set[str] = field(default_factory=set)
    key_next: bool = True

    def take(self, event: yaml.NodeEvent) -> None:
        """The next key or value. Raises AmbiguousDocument."""
        if self.key_next:
            if not isinstance(event, yaml.ScalarEvent):
                raise _ambiguous("a key that is no text", event)
            if event.value in self.keys:
                raise _ambiguous(f"{event.value} a second time", event)
            self.keys.add(event.value)
        self.key_next = not self.key_next


class AmbiguousDocument(yaml.YAMLError):
    """YAML that people and programs read differently."""


def load_yaml(content: bytes) -> Any:
    """Read one document of plain values. Raises yaml.YAMLError."""
    return yaml.load(content, Loader=_LOADER)  # noqa: S506 - both loaders are safe ones


def dump_yaml(document: Any) -> bytes:
    """Write one document of plain values, keys in their order."""
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text.encode()


def load_plain(content: bytes) -> Any:
    """Read a document that somebody else wrote. Raises yaml.YAMLError, of which AmbiguousDocument where it could be misread.

    A key twice in one mapping, an anchor, a tag: each of them means something else to whoever reads the text than to whoever loads it,
    and a few aliases can grow to more than any memory holds.
    """
    _refuse_tricks(yaml.parse(content, Loader=_LOADER))
    return load_yaml(content)


def _refuse_tricks(events: Iterable[yaml.Event]) -> None:
    inside: list[_OpenMapping | None] = []  # None: a sequence
    for event in events:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or getattr(event, "tag", None):
            raise _ambiguous("an anchor, an alias or a tag", event)
        if isinstance(event, yaml.NodeEvent) and inside and inside[-1]:
            inside[-1].take(event)
        if isinstance(event, yaml.MappingStartEvent):
            inside.append(_OpenMapping())
        elif isinstance(event, yaml.SequenceStartEvent):
            inside.append(None)
        elif isinstance(event, yaml.CollectionEndEvent):
            inside.pop()
        if len(inside) > _DEPTH:
            raise _ambiguous(f"more than {_DEPTH} levels", event)


def _ambiguous(found: str, event: yaml.Event) -> AmbiguousDocument:
    return AmbiguousDocument(f"{found} in line {event.start_mark.line + 1 if event.start_mark else '?'}")
