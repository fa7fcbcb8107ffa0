"""Putting a cluster together: from nothing, or from a state folder."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import orjson

from harness.simulator.kubeapi import bootstrap, builtin, crds, lifecycle, rbac
from harness.simulator.kubeapi.admission import Admission
from harness.simulator.kubeapi.certificates import Certificates, dump_key, issue, load_key
from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.conversion import Converter
from harness.simulator.kubeapi.identity import Identities, new_key
from harness.simulator.kubeapi.persistence import Archive
from harness.simulator.kubeapi.resources import Registry
from harness.simulator.kubeapi.store import Store

_SETTING = "identity"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What clients have to trust over a restart: certificates, the key that signs tokens (PEM), the admin's token."""

    host: str
    certificates: Certificates
    signing_key: bytes
    admin_token: str


def _fresh(host: str) -> Credentials:
    return Credentials(host, issue(host), dump_key(new_key()), secrets.token_urlsafe(32))


def credentials(archive: Archive | None, host: str) -> Credentials:
    """The kept credentials of a state folder, or new ones; new ones too when the server moves to another host name."""
    kept = archive.setting(_SETTING) if archive is not None else None
    if kept is not None:
        value = orjson.loads(kept)
        if value["host"] == host:
            certificates = Certificates(value["ca"].encode(), value["chain"].encode(), value["key"].encode())
            return Credentials(host, certificates, value["signing_key"].encode(), value["admin_token"])
    made = _fresh(host)
    if archive is not None:
        archive.keep(_SETTING, _packed(made))
    return made


def _packed(made: Credentials) -> bytes:
    certificates = made.certificates
    return orjson.dumps(
        {
            "host": made.host,
            "ca": certificates.ca.decode(),
            "chain": certificates.chain.decode(),
            "key": certificates.key.decode(),
            "signing_key": made.signing_key.decode(),
            "admin_token": made.admin_token,
        }
    )


def build(archive: Archive | None, given: Credentials, folders: Iterable[Path]) -> Cluster:
    """A cluster with its kept objects, its furniture and the definitions of the folders. Raises UnusableManifestError."""
    store = Store()
    if archive is not None:
        for bucket, entry in archive.load():
            store.restore(bucket, entry)
        store.revision = store.base = max(archive.revision(), store.revision)
        store.listen(archive.record)
    registry = Registry()
    registry.add(builtin.resources())
    cluster = Cluster(
        store, registry, Identities(store, load_key(given.signing_key), given.admin_token), archive=archive
    )
    cluster.admission = Admission(cluster)
    cluster.converter = Converter(cluster)
    crds.follow(cluster)
    rbac.follow(cluster)
    lifecycle.follow(cluster)
    bootstrap.furnish(cluster, given.certificates.ca)
    for folder in folders:
        for path, definition in bootstrap.load_definitions(folder):
            bootstrap.install(cluster, path, definition)
    if archive is not None:
        archive.flush_now()
    return cluster
