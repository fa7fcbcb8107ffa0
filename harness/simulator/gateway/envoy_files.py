"""Envoy's configuration on disk: written whole, moved into place, and waited for until Envoy says that it has it."""

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path

import orjson

from harness.simulator.gateway.credential_files import CredentialFiles
from harness.simulator.gateway.envoy_config.clusters import ClusterConfig, cluster
from harness.simulator.gateway.envoy_config.typed import CLUSTER, JSON, LISTENER, ROUTES, resources
from harness.simulator.gateway.envoy_process import Envoy

LOG = logging.getLogger("gateway.envoy")
ACKNOWLEDGE_SECONDS = 5.0
POLL_SECONDS = 0.003
CDS_FILE, LDS_FILE = "cds.json", "lds.json"
CDS, LDS = "cluster_manager.cds.version_text", "listener_manager.lds.version_text"


class NotAcknowledgedError(Exception):
    """Envoy did not take a configuration in time; the text carries its reasons."""


class EnvoyFiles:
    """Writes what changed. Routes come after the clusters they need, clusters go after the routes that used them."""

    def __init__(self, directory: Path, envoy: Envoy) -> None:
        self._directory = directory
        self._envoy = envoy
        self._versions: dict[str, str] = {}
        self._written: dict[str, list[JSON]] = {}
        self._taken: tuple[int, dict[str, str]] = (0, {})
        self._clusters: dict[str, ClusterConfig] = {}
        self._credentials = CredentialFiles(directory)

    def prepare(
        self,
        listeners: list[JSON],
        routes: Mapping[str, JSON],
        clusters: Mapping[str, ClusterConfig],
        keys: Mapping[str, str],
    ) -> None:
        """Write everything before Envoy starts; `keys` are those of providers, by the names that clusters ask for."""
        self._credentials.write(keys)
        self._prepare_clusters(clusters)
        for name, configuration in routes.items():
            self._write(routes_file(name), resources(ROUTES, [configuration]))
        self._write(LDS_FILE, resources(LISTENER, listeners))

    async def apply(
        self,
        listeners: list[JSON],
        routes: Mapping[str, JSON],
        clusters: Mapping[str, ClusterConfig],
        keys: Mapping[str, str],
    ) -> None:
        """Bring Envoy to this configuration without losing a request. Raises NotAcknowledgedError."""
        self._credentials.write(keys)
        await self._write_clusters({**self._clusters, **clusters})
        expected: dict[str, str] = {}
        for name, configuration in routes.items():
            file = routes_file(name)
            self._write(file, resources(ROUTES, [configuration]))
            expected[f"http.{name}.rds.{name}.version_text"] = self._versions[file]
        self._write(LDS_FILE, resources(LISTENER, listeners))
        expected[LDS] = self._versions[LDS_FILE]
        await self._acknowledged(expected)
        if clusters != self._clusters:
            await self._write_clusters(clusters)
        self._credentials.forget(keys)

    async def _write_clusters(self, clusters: Mapping[str, ClusterConfig]) -> None:
        self._prepare_clusters(clusters)
        await self._acknowledged({CDS: self._versions[CDS_FILE]})

    def _prepare_clusters(self, clusters: Mapping[str, ClusterConfig]) -> None:
        self._write(
            CDS_FILE,
            resources(CLUSTER, [cluster(clusters[name], self._credentials.folder) for name in sorted(clusters)]),
        )
        self._clusters = dict(clusters)

    def _write(self, name: str, items: list[JSON]) -> None:
        if self._written.get(name) == items:
            return
        self._written[name] = items
        content = orjson.dumps(items).decode()
        version = hashlib.sha256(content.encode()).hexdigest()[:16]
        if self._versions.get(name) != version:
            temporary = self._directory / f".{name}"
            temporary.write_text(f'{{"version_info": "{version}", "resources": {content}}}', encoding="utf-8")
            temporary.replace(self._directory / name)
            self._versions[name] = version
            self._taken = (0, {})

    async def _acknowledged(self, expected: Mapping[str, str]) -> None:
        """Wait for these versions; Envoy is not asked of what it has said already since it was started last."""
        wanted = {stat_name(name): version for name, version in expected.items()}
        starts, taken = self._taken
        if starts == self._envoy.starts and wanted.items() <= taken.items():
            return
        deadline = asyncio.get_running_loop().time() + ACKNOWLEDGE_SECONDS
        while True:
            starts, known = self._envoy.starts, await self._envoy.versions()
            missing = sorted(name for name, version in wanted.items() if known.get(name) != version)
            if not missing:
                self._taken = (starts, known)
                return
            if asyncio.get_running_loop().time() > deadline:
                reasons = "; ".join(await self._envoy.rejections()) or "no reason given"
                raise NotAcknowledgedError(f"Envoy did not take {', '.join(missing)}: {reasons}")
            await asyncio.sleep(POLL_SECONDS)


def stat_name(name: str) -> str:
    """A name as Envoy writes it in statistics: colons become underscores."""
    return name.replace(":", "_")


def routes_file(name: str) -> str:
    """The file of a listener's routes."""
    return f"rds-{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"
