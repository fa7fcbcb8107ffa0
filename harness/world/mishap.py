"""Mishaps of a model server: what the platform makes of a backend that fails, falls silent or miscounts.

`let_fail` makes every request to the check's own servers fail; `failing` makes one request fail, at a server that others use too.
"""

from collections.abc import Mapping
from typing import Any

import httpx

from harness.client.trust import trust
from harness.engine.failure import NotReady
from harness.world.world import World


def let_fail(world: World, *faults: dict[str, Any]) -> None:
    """Put these faults (as `PUT /faults` of the model server takes them) in force at every server that this world made.

    Raises NotReady when there is none, or when one does not take them.
    """
    world.settle()
    servers = world.estate.servers_of(world.name)
    if not servers:
        raise NotReady("no model server of the check's own keeps an admin endpoint, so none can be made to fail")
    for url in servers:
        try:
            answer = httpx.put(
                f"{url}/faults", json={"faults": list(faults)}, timeout=10, trust_env=False, verify=trust()
            )
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise NotReady(f"the model server {url} does not take faults: {error}") from error


def failing(kind: str, **options: object) -> Mapping[str, str]:
    """Headers of a request that is to meet this fault, as model servers that keep a journal understand them."""
    return {"X-Mock-Fault": "; ".join([kind, *(f"{name}={str(value).lower()}" for name, value in options.items())])}
