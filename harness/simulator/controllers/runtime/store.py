"""The objects of one kind as last heard of, with indices, so that reconcilers read without asking the API server."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.simulator.controllers.runtime.manifest import Key, Manifest, key_of, resource_version

Index = Callable[[Manifest], Iterable[object]]
TOMBSTONES = 10_000


@dataclass(frozen=True, slots=True)
class Change:
    """One step in an object's life: created (`old` None), changed, or gone (`new` None).

    `author`: whose write it is, where its answer holds nothing but what was written; None for whatever was heard of.
    """

    old: Manifest | None
    new: Manifest | None
    author: object = None

    @property
    def latest(self) -> Manifest:
        """The object after the step, or what it was before it went."""
        present = self.new if self.new is not None else self.old
        if present is None:
            raise ValueError("a change needs an old or a new object")
        return present

    def both(self) -> Iterator[Manifest]:
        """The object before and after: whoever follows references must hear of the old and the new target."""
        if self.old is not None:
            yield self.old
        if self.new is not None:
            yield self.new


class Store:
    """Objects by key. Answers of writes are fed in too, so a reconciler reads its own writes; versions keep them in order."""

    def __init__(self, indices: Mapping[str, Index] | None = None) -> None:
        self._objects: dict[Key, Manifest] = {}
        self._gone: OrderedDict[Key, int] = OrderedDict()
        self._functions: dict[str, Index] = {}
        self._indices: dict[str, dict[object, set[Key]]] = {}
        for name, function in (indices or {}).items():
            self.add_index(name, function)

    def add_index(self, name: str, function: Index) -> None:
        """Answer `by(name, value)` from now on. Raises ValueError when the name means another function already."""
        if self._functions.setdefault(name, function) is not function:
            raise ValueError(f"index {name} is taken by another function")
        table: dict[object, set[Key]] = {}
        self._indices[name] = table
        for key, manifest in self._objects.items():
            for value in function(manifest):
                table.setdefault(value, set()).add(key)

    def get(self, key: Key) -> Manifest | None:
        """The object, or None. Never change what it returns: it is the cache itself."""
        return self._objects.get(key)

    def all(self, namespace: str | None = None) -> list[Manifest]:
        """Every object, or those of one namespace, in key order."""
        keys = sorted(self._objects) if namespace is None else sorted(k for k in self._objects if k[0] == namespace)
        return [self._objects[key] for key in keys]

    def by(self, index: str, value: object) -> list[Manifest]:
        """Objects for which the index function yielded `value`, in key order."""
        return [self._objects[key] for key in sorted(self._indices[index].get(value, ()))]

    def observe(self, manifest: Manifest, author: object = None) -> Change | None:
        """Take in a version of an object; None when it is no news (an older version, or one from before the deletion)."""
        key, version = key_of(manifest), resource_version(manifest)
        old = self._objects.get(key)
        if old is not None and resource_version(old) >= version:
            return None
        if self._gone.get(key, -1) >= version:
            return None
        self._gone.pop(key, None)
        self._put(key, manifest)
        return Change(old, manifest, author)

    def forget(self, key: Key, version: int) -> Change | None:
        """Take in a deletion that happened at `version`; None when a later incarnation is already known."""
        old = self._objects.get(key)
        if old is not None and resource_version(old) > version:
            return None
        self._gone[key] = version
        self._gone.move_to_end(key)
        if len(self._gone) > TOMBSTONES:
            self._gone.popitem(last=False)
        if old is None:
            return None
        self._drop(key)
        return Change(old, None)

    def replace(self, listed: Iterable[Manifest], version: int) -> list[Change]:
        """Take in a whole list made at `version`; objects that it lacks are gone, unless they are younger than it."""
        current = {key_of(manifest): manifest for manifest in listed}
        changes = [self.observe(manifest) for manifest in current.values()]
        absent = [key for key in self._objects if key not in current]
        changes += [self.forget(key, version) for key in absent]
        return [change for change in changes if change is not None]

    def _put(self, key: Key, manifest: Manifest) -> None:
        self._drop(key)
        self._objects[key] = manifest
        for name, function in self._functions.items():
            for value in function(manifest):
                self._indices[name].setdefault(value, set()).add(key)

    def _drop(self, key: Key) -> None:
        old = self._objects.pop(key, None)
        if old is None:
            return
        for name, function in self._functions.items():
            for value in function(old):
                keys = self._indices[name].get(value)
                if keys is not None:
                    keys.discard(key)
                    if not keys:
                        del self._indices[name][value]
