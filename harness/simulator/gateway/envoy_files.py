"""Envoy's configuration on disk: written whole, moved into place, and waited for until Envoy says that it has it."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path

from harness.simulator.gateway.envoy_config.clusters import ClusterConfig, assignment, cluster
from harness.simulator.gateway.envoy_config.typed import CLUSTER, ENDPOINTS, JSON, LISTENER, ROUTES, resources
from harness.simulator.gateway.envoy_process import Envoy

LOG = logging.getLogger("gateway.envoy")
ACKNOWLEDGE_SECONDS = 5.0
POLL_SECONDS = 0.003


class NotAcknowledgedError(Exception):
    """Envoy did not take a configuration in time; the text carries its reasons."""


class EnvoyFiles:
    """Writes what changed. Routes come after the clusters they need, clusters go after the routes that used them."""

    def __init__(self, directory: Path, envoy: Envoy) -> None:
        self._directory = directory
        self._envoy = envoy
        self._versions: dict[str, str] = {}
        self._clusters: dict[str, ClusterConfig] = {}

    def prepare(self, listeners: list[JSON], routes: Mapping[str, JSON], clusters: Mapping[str, ClusterConfig]) -> None:
        """Write everything before Envoy starts."""
        self._write_clusters(clusters)
        for name, configuration in routes.items():
            self._write(routes_file(name), resources(ROUTES, "", [configuration]))
        self._write("lds.json", resources(LISTENER, "", listeners))

    async def apply(
        self, listeners: list[JSON], routes: Mapping[str, JSON], clusters: Mapping[str, ClusterConfig]
    ) -> None:
        """Bring Envoy to this configuration without losing a request. Raises NotAcknowledgedError."""
        if self._write_clusters({**self._clusters, **clusters}):
            await self._acknowledged({"cluster_manager.cds.version_text": self._versions["cds.json"]})
        expected: dict[str, str] = {}
        for name, configuration in routes.items():
            file = routes_file(name)
            self._write(file, resources(ROUTES, "", [configuration]))
            expected[f"http.{name}.rds.{name}.version_text"] = self._versions[file]
        self._write("lds.json", resources(LISTENER, "", listeners))
        expected["listener_manager.lds.version_text"] = self._versions["lds.json"]
        await self._acknowledged(expected)
        if self._write_clusters(clusters):
            await self._acknowledged({"cluster_manager.cds.version_text": self._versions["cds.json"]})

    def _write_clusters(self, clusters: Mapping[str, ClusterConfig]) -> bool:
        for item in clusters.values():
            if not item.hostname:
                self._write(item.file, resources(ENDPOINTS, "", [assignment(item)]))
        bodies = [cluster(clusters[name], self._directory) for name in sorted(clusters)]
        changed = self._write("cds.json", resources(CLUSTER, "", bodies))
        for name in set(self._clusters) - set(clusters):
            self._remove(self._clusters[name].file)
        self._clusters = dict(clusters)
        return changed

    def _write(self, name: str, content: JSON) -> bool:
        version = hashlib.sha256(json.dumps(content["resources"], sort_keys=True).encode()).hexdigest()[:16]
        if self._versions.get(name) == version:
            return False
        temporary = self._directory / f".{name}"
        temporary.write_text(json.dumps({**content, "version_info": version}), encoding="utf-8")
        temporary.replace(self._directory / name)
        self._versions[name] = version
        return True

    def _remove(self, name: str) -> None:
        (self._directory / name).unlink(missing_ok=True)
        self._versions.pop(name, None)

    async def _acknowledged(self, expected: Mapping[str, str]) -> None:
        deadline = asyncio.get_running_loop().time() + ACKNOWLEDGE_SECONDS
        missing = dict(expected)
        while missing:
            known = await self._envoy.versions()
            missing = {name: version for name, version in missing.items() if stat(known, name) != version}
            if not missing:
                return
            if asyncio.get_running_loop().time() > deadline:
                reasons = "; ".join(await self._envoy.rejections()) or "no reason given"
                raise NotAcknowledgedError(f"Envoy did not take {', '.join(missing)}: {reasons}")
            await asyncio.sleep(POLL_SECONDS)


def stat(known: Mapping[str, str], name: str) -> str | None:
    """A statistic under the name Envoy gives it (colons become underscores)."""
    return known.get(name) or known.get(name.replace(":", "_"))


def routes_file(name: str) -> str:
    """The file of a listener's routes."""
    return f"rds-{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"
