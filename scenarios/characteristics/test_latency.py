"""What the way through the gateway adds to a request, against the same request straight to its model server."""

import statistics

import pytest

from harness.client.exchange import Exchange
from harness.client.measuring import Call
from harness.engine.declaration import check
from harness.engine.failure import NotReady
from harness.platforms.platform import ModelHandle
from harness.world.expectations import expect, expect_served
from harness.world.inference import PATHS, Ask
from harness.world.world import World

URL = "maas-conformance.dev/url"
PAIRS = 25
ADDED_S = 1.0
"""Nobody calls a model through a gateway that adds a second: something waits there."""


def server_of(world: World, model: ModelHandle) -> str:
    """Where the model's own server listens, as its Pod says."""
    pods = world.estate.cluster.objects("v1", "Pod", namespace=model.namespace)
    urls = [
        url
        for pod in pods
        if pod["metadata"]["name"].startswith(f"{model.name}-")
        and (url := (pod["metadata"].get("annotations") or {}).get(URL))
    ]
    if not urls:
        raise NotReady(f"no Pod of the model {model.name} says where its server listens")
    return str(urls[0])


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@check("MAAS-GW-004", needs={"kube", "backends"}, alone=True)
def test_what_the_gateway_adds(world: World, stream: bool) -> None:
    caller = world.anybody()
    ask = Ask(max_tokens=16, stream=stream)
    server = server_of(world, caller.model)

    def straight() -> Exchange:
        call = Call("POST", f"{server}{PATHS[ask.endpoint]}", json=ask.body(caller.model))
        return world.estate.client.send(call)

    expect_served(caller.infer(ask))
    expect_served(straight())
    kind = "a_stream" if stream else "an_answer"
    added = []
    for _ in range(PAIRS):
        direct, through = expect_served(straight()), expect_served(caller.infer(ask))
        added.append(through.duration_s - direct.duration_s)
        world.wire.recorder.characteristic(f"gateway_adds_to_{kind}", round(added[-1] * 1000, 3), "ms")
    expect(
        statistics.median(added) < ADDED_S,
        expected=f"less than {ADDED_S:g} s added",
        observed=f"{statistics.median(added):.2f} s in the median of {PAIRS}",
    )
