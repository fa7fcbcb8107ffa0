"""Containers of the platform's own management API: a server of a tenant, or an errand of a Job, as a local process.

In a cluster they run in the reference image and find each other by DNS. Here the same command line is kept, but for what a Pod has
to itself (ports, files, an account), and names of Services become the addresses of their endpoints.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.simulator.controllers.runtime.manifest import Key, Manifest, annotations, labels
from harness.simulator.controllers.runtime.store import Store
from harness.simulator.kubelet.endpoints import LOOPBACK, SERVICE_LABEL
from harness.simulator.kubelet.launch import (
    Launch,
    UnrunnableError,
    command_of,
    environment_of,
    model_container,
    without_options,
)

API = "harness.simulator.maas_api"
ERRAND = f"{API}.errand"
_OWN = frozenset({"--bind", "--metrics-bind", "--ready-file", "--kubeconfig"})
_SERVICE_URL = re.compile(r"(https?)://([a-z0-9-]+)\.([a-z0-9-]+)\.svc(?:\.cluster\.local)?(?::\d+)?")
NOBODY = "127.0.0.1:1"
"""What a Service without a ready endpoint becomes: nothing listens there, and no resolver is asked."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a container finds in a cluster: Secrets, Services and an account."""

    secrets: Store
    slices: Store
    kubeconfig: Path | None


def module_of(pod: Manifest) -> str | None:
    """The module of the management API that a Pod runs; None for every other Pod."""
    words = command_of(model_container(pod))
    if len(words) < 3 or words[1] != "-m" or words[2] not in (API, ERRAND):
        return None
    return words[2]


def platform_launch(pod: Manifest, module: str, ready_file: Path, around: Surroundings) -> Launch:
    """The process of such a Pod. Raises UnrunnableError when it refers to a Secret that is not there."""
    container = model_container(pod)
    arguments = command_of(container)[3:]
    variables = environment_of(container) | secret_values(container, pod["metadata"]["namespace"], around.secrets)
    if around.kubeconfig is not None:
        variables["KUBECONFIG"] = str(around.kubeconfig)
    if module == ERRAND:
        found = tuple(resolved(word, around.slices) for word in arguments)
        return Launch(found, variables, module=module, serves=False)
    own = ["--bind", "127.0.0.1:0", "--metrics-bind", "127.0.0.1:0", "--ready-file", str(ready_file)]
    return Launch((*without_options(arguments, _OWN), *own), variables, module=module)


def secret_values(container: Mapping[str, Any], namespace: str, secrets: Store) -> dict[str, str]:
    """Variables that come from Secrets. Raises UnrunnableError for one that is missing and not optional."""
    found: dict[str, str] = {}
    for entry in container.get("env") or ():
        reference = (entry.get("valueFrom") or {}).get("secretKeyRef")
        if reference is None:
            continue
        secret = secrets.get(Key(namespace, reference["name"])) or {}
        encoded = (secret.get("data") or {}).get(reference["key"])
        if encoded is None:
            if reference.get("optional"):
                continue
            raise UnrunnableError(f"the Secret {namespace}/{reference['name']} has no key {reference['key']}")
        try:
            found[entry["name"]] = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise UnrunnableError(f"the Secret {namespace}/{reference['name']} holds no text") from error
    return found


def resolved(text: str, slices: Store) -> str:
    """The text with URLs of Services in the place of their endpoints' addresses, as cluster DNS and kube-proxy do it."""

    def address(match: re.Match[str]) -> str:
        return f"{match[1]}://{endpoint(Key(match[3], match[2]), slices) or NOBODY}"

    return _SERVICE_URL.sub(address, text)


def endpoint(service: Key, slices: Store) -> str | None:
    """`host:port` of a ready endpoint of a Service; None while it has none."""
    for found in slices.all(service.namespace):
        if labels(found).get(SERVICE_LABEL) != service.name:
            continue
        port = next((entry["port"] for entry in found.get("ports") or () if entry.get("port")), None)
        for entry in found.get("endpoints") or ():
            if port is not None and (entry.get("conditions") or {}).get("ready", True) and entry.get("addresses"):
                return f"{annotations(found).get(LOOPBACK) or entry['addresses'][0]}:{port}"
    return None
