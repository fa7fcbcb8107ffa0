"""Which kinds this server knows: resources by group, version and plural name."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from harness.simulator.kubeapi.structural import Schema

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Column:
    """A printer column: where its value lies (a JSONPath below the object) and how it is shown."""

    name: str
    type: str
    path: str
    description: str = ""
    format: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Scale:
    """Where a scale subresource finds its numbers (dotted paths below the object)."""

    spec_replicas: str
    status_replicas: str
    selector: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind in one version, as paths, discovery and validation need it.

    `storage_version` is the version objects are kept in; every served version of a kind shares the same `bucket`.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    schema: Callable[[], Schema]
    singular: str = ""
    list_kind: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    status_subresource: bool = False
    scale: Scale | None = None
    extra_subresources: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    storage_version: str = ""
    custom: bool = False
    selectable: tuple[str, ...] = ()
    deprecation: str = ""
    conversion: dict[str, Any] | None = None

    @property
    def api_version(self) -> str:
        """What `apiVersion` says on an object of this version."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def bucket(self) -> tuple[str, str]:
        """The store's key for all objects of the kind, whatever the version."""
        return (self.group, self.plural)

    @property
    def stored_api_version(self) -> str:
        """`apiVersion` of the objects in the store."""
        version = self.storage_version or self.version
        return f"{self.group}/{version}" if self.group else version


@dataclass(slots=True)
class Registry:
    """All resources being served; changes with the CustomResourceDefinitions."""

    _by_path: dict[tuple[str, str, str], Resource] = field(default_factory=dict)
    generation: int = 0

    def add(self, resources: Iterable[Resource]) -> None:
        """Serve these resources from now on; an equal path is replaced."""
        for resource in resources:
            self._by_path[(resource.group, resource.version, resource.plural)] = resource
        self.generation += 1

    def remove(self, group: str, plural: str) -> None:
        """Stop serving every version of a resource."""
        self._by_path = {k: v for k, v in self._by_path.items() if (k[0], k[2]) != (group, plural)}
        self.generation += 1

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource behind a URL path, or None."""
        return self._by_path.get((group, version, plural))

    def is_built_in(self, group: str, version: str) -> bool:
        """Whether this version of a group is the server's own, and not made of CustomResourceDefinitions."""
        return any(r.group == group and r.version == version and not r.custom for r in self._by_path.values())

    def of_kind(self, group: str, kind: str) -> Resource | None:
        """Any served version of a kind (the storage version where it is served)."""
        found = [r for r in self._by_path.values() if r.group == group and r.kind == kind]
        stored = [r for r in found if r.version == (r.storage_version or r.version)]
        return next(iter(stored or found), None)

    def of_bucket(self, bucket: tuple[str, str]) -> Resource | None:
        """The storage version of a resource by group and plural name."""
        found = [r for r in self._by_path.values() if r.bucket == bucket]
        stored = [r for r in found if r.version == (r.storage_version or r.version)]
        return next(iter(stored or found), None)

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._by_path.values()))

    def group_versions(self) -> dict[str, list[str]]:
        """Named and core groups with their versions, most preferred first."""
        groups: dict[str, list[str]] = {}
        for group, version, _ in self._by_path:
            versions = groups.setdefault(group, [])
            if version not in versions:
                versions.append(version)
        return {group: sorted(versions, key=version_rank) for group, versions in groups.items()}


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Sort key of Kubernetes version priority: v2, v1, v1beta2, v1beta1, v1alpha1, then anything else by name."""
    stages = {"": 0, "beta": 1, "alpha": 2}
    body = version[1:] if version.startswith("v") else ""
    for stage in ("alpha", "beta"):
        major, found, minor = body.partition(stage)
        if found and major.isdigit() and minor.isdigit():
            return (stages[stage], -int(major), -int(minor), "")
    if body.isdigit():
        return (0, -int(body), 0, "")
    return (3, 0, 0, version)
