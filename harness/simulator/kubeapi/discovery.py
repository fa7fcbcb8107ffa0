"""Discovery: which groups, versions and resources there are, in the plain and in the aggregated form."""

from typing import Any

from harness.simulator.kubeapi.resources import Registry, Resource

Json = dict[str, Any]
VERSION = {
    "major": "1", "minor": "34", "emulationMajor": "1", "emulationMinor": "34", "minCompatibilityMajor": "1", "minCompatibilityMinor": "33",
    "gitVersion": "v1.34.0+maas-conformance", "gitCommit": "", "gitTreeState": "clean", "buildDate": "2025-08-27T10:09:04Z",
    "goVersion": "", "compiler": "cpython", "platform": "linux/amd64",
}  # fmt: skip
_SUBVERBS = {
    "status": ("get", "patch", "update"), "scale": ("get", "patch", "update"), "token": ("create",), "log": ("get",),
    "finalize": ("update",),    "eviction": ("create",), "portforward": ("create", "get"), "binding": ("create",),
}  # fmt: skip
_SUBKINDS = {
    "scale": ("autoscaling", "v1", "Scale"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
    "eviction": ("policy", "v1", "Eviction"),
    "portforward": ("", "v1", "PodPortForwardOptions"),
    "binding": ("", "v1", "Binding"),
}


def subresources(resource: Resource) -> list[str]:
    """The subresources of a resource, by name."""
    found = [*resource.extra_subresources]
    if resource.status_subresource:
        found.append("status")
    if resource.scale:
        found.append("scale")
    return sorted(found)


def _entries(resource: Resource) -> list[Json]:
    main: Json = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": sorted(resource.verbs),
    }
    if resource.short_names:
        main["shortNames"] = list(resource.short_names)
    if resource.categories:
        main["categories"] = list(resource.categories)
    found = [main]
    for name in subresources(resource):
        group, version, kind = _SUBKINDS.get(name, ("", "", resource.kind))
        entry: Json = {"name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced}
        if version:
            entry.update(group=group, version=version)
        found.append({**entry, "kind": kind, "verbs": list(_SUBVERBS[name])})
    return found


def resource_list(registry: Registry, group: str, version: str) -> Json | None:
    """`APIResourceList` of a group version, None when it has no resource."""
    resources = [r for r in registry if (r.group, r.version) == (group, version)]
    if not resources:
        return None
    entries = [entry for resource in sorted(resources, key=lambda r: r.plural) for entry in _entries(resource)]
    name = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": entries}


def group_of(registry: Registry, name: str) -> Json | None:
    """`APIGroup`, None when no resource is in it."""
    versions = registry.group_versions().get(name)
    if not versions or not name:
        return None
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": listed, "preferredVersion": listed[0]}


def group_list(registry: Registry) -> Json:
    """`APIGroupList` of every named group."""
    groups = [group_of(registry, name) for name in registry.group_versions() if name]
    bare = [{k: v for k, v in group.items() if k not in {"kind", "apiVersion"}} for group in groups if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": bare}


def core_versions(address: str) -> Json:
    """`APIVersions` of the core group."""
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}


def aggregated(registry: Registry, *, core: bool) -> Json:
    """`APIGroupDiscoveryList` (apidiscovery.k8s.io/v2), for the core group or for all the others."""
    items = []
    for group, versions in registry.group_versions().items():
        if (group == "") != core:
            continue
        items.append(
            {
                "metadata": {"name": group, "creationTimestamp": None},
                "versions": [
                    {
                        "version": version,
                        "freshness": "Current",
                        "resources": _aggregated_resources(registry, group, version),
                    }
                    for version in versions
                ],
            }
        )
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _aggregated_resources(registry: Registry, group: str, version: str) -> list[Json]:
    found = []
    for resource in sorted((r for r in registry if (r.group, r.version) == (group, version)), key=lambda r: r.plural):
        entry: Json = {
            "resource": resource.plural,
            "responseKind": {"group": group, "version": version, "kind": resource.kind},
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "singularResource": resource.singular,
            "verbs": sorted(resource.verbs),
        }
        if resource.short_names:
            entry["shortNames"] = list(resource.short_names)
        if resource.categories:
            entry["categories"] = list(resource.categories)
        below = []
        for name in subresources(resource):
            of_group, of_version, kind = _SUBKINDS.get(name, (group, version, resource.kind))
            kind_of = {"group": of_group, "version": of_version, "kind": kind}
            below.append({"subresource": name, "responseKind": kind_of, "verbs": list(_SUBVERBS[name])})
        if below:
            entry["subresources"] = below
        found.append(entry)
    return found
