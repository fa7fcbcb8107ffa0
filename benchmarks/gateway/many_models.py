"""How long a gateway with many models takes to start, to add one more, and to serve the last one.

`python -m benchmarks.gateway.many_models [--models 100]`. Prints seconds; exit 1 when the start takes more than 3 s or an added model
does not serve within 1 s.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

from tests.gateway.doubles import ManagementApi, ModelServer, served
from tests.gateway.stack import INGRESS, MAAS, Stack, running
from tests.gateway.world import PARENT, HTTPRoute, Model, TokenPolicy, World, fresh, route_rules, token_policy

START_BAR, ADD_BAR = 3.0, 1.0


def create(world: World, port: int) -> Model:
    """A model and its policy, without waiting."""
    model = Model("many", fresh("model"))
    service = f"{model.name}-kserve-workload-svc"
    world.service(model.namespace, service, port)
    rules = route_rules(model, service)
    world.create(HTTPRoute, model.namespace, model.route, {"parentRefs": [{**PARENT, "name": MAAS}], "rules": rules})
    world.create(
        TokenPolicy, model.namespace, f"maas-trlp-{model.name}", token_policy(model, {"maas/s1": ((10**9, "1h"),)})
    )
    return model


def serves(client: httpx.Client, url: str, model: Model, key: str) -> bool:
    """Whether a completion succeeds."""
    body = {"model": model.alias, "messages": []}
    return client.post(url + model.path, json=body, headers={"Authorization": f"Bearer {key}"}).status_code == 200


def main() -> int:
    """Run it."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--models", type=int, default=100)
    count = line.parse_args().models
    models, maas = ModelServer(), ManagementApi()
    with (
        tempfile.TemporaryDirectory() as folder,
        served(models.app()) as model_port,
        served(maas.app()) as maas_port,
        httpx.Client(trust_env=False, timeout=10) as client,
        running(Stack(Path(folder), f"http://127.0.0.1:{maas_port}")) as stack,
    ):
        world = World(stack.kube())
        world.gateways()
        world.auth_policy()
        world.namespace("many")
        for _ in range(count):
            create(world, model_port)
        started = time.monotonic()
        stack.start_gateway(f"{INGRESS}/{MAAS}/http")
        start = time.monotonic() - started
        key = maas.key("many")
        added = []
        for _ in range(5):
            begin = time.monotonic()
            model = create(world, model_port)
            maas.grant("many", model.reference, resolved=model.reference)
            while not serves(client, stack.url(), model, key):
                time.sleep(0.005)
            added.append(time.monotonic() - begin)
        calls = []
        for _ in range(100):
            begin = time.monotonic()
            assert serves(client, stack.url(), model, key)
            calls.append(time.monotonic() - begin)
    print(
        f"{count} models: gateway ready in {start:.2f} s, a model added serves after {statistics.median(added):.2f} s"
    )
    print(f"a request to the last of them takes {statistics.median(calls) * 1000:.1f} ms")
    return 0 if start < START_BAR and statistics.median(added) < ADD_BAR else 1


if __name__ == "__main__":
    sys.exit(main())
