"""What a URL path names."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A resource, one of its objects, or a subresource of that."""

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    watching: bool = False


def parse_path(path: str) -> Target | None:
    """The target of a resource path; None for discovery and other paths."""
    parts = [part for part in path.split("/") if part]
    match parts:
        case ["api", "v1", *rest] if rest:
            group, version = "", "v1"
        case ["apis", group, version, *rest] if rest:
            pass
        case _:
            return None
    watching = rest[0] == "watch" and len(rest) > 1
    if watching:
        rest = rest[1:]
    namespace = ""
    if (
        rest[0] == "namespaces"
        and len(rest) >= 3
        and not (group == "" and rest[2] in {"status", "finalize"} and len(rest) == 3)
    ):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3:
        return Target(group, version, rest[0], namespace, rest[1], "/".join(rest[2:]), watching)
    padded = [*rest, "", "", ""]
    return Target(group, version, padded[0], namespace, padded[1], padded[2], watching)
