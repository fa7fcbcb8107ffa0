"""The two gateways of a platform, and what passes between path, body and model server on the governed one."""

from collections.abc import Iterator

import httpx
import psutil
import pytest

from harness.kube.manifest import Ref
from harness.kube.wait import Bound
from harness.platforms.platform import Platform
from harness.platforms.target import TargetOptions, open_target
from harness.world.inference import Ask
from harness.world.patience import until
from tests.platforms.whole import world_on

STANDARD = Ref("gateway.networking.k8s.io/v1", "Gateway", "openshift-ai-inference", "openshift-ingress")
BOUND = Bound("the gateway follows its objects", 10)


@pytest.fixture
def platform() -> Iterator[Platform]:
    """A platform that a test may harm."""
    with open_target(TargetOptions(), lambda line: None) as opened:
        yield opened


def standard(platform: Platform) -> int | None:
    """How the standard gateway answers a call to its model; None when it does not."""
    body = {"model": "standard/opt-125m", "prompt": "Hello", "max_tokens": 2}
    url = f"{platform.endpoints.standard_gateway}/llm/standard-model/v1/completions"
    try:
        return httpx.post(url, json=body, trust_env=False).status_code
    except httpx.TransportError:
        return None


@pytest.mark.row("MAAS-SETUP-006")
def test_trouble_with_one_gateway_stays_there(platform: Platform) -> None:
    with world_on(platform) as world:
        customer = world.customer()
        assert (customer.infer().status, standard(platform)) == (200, 200)
        authorizer = psutil.Process(platform.processes["authorizer"].pid)
        authorizer.suspend()
        try:
            refused = customer.infer(Ask(max_tokens=1)).status
            assert (refused, standard(platform)) == (500, 200)
        finally:
            authorizer.resume()
        assert until(lambda: customer.infer().status, lambda status: status == 200, BOUND)[0] == 200
        gateway = world.estate.cluster.get(STANDARD)
        assert gateway is not None
        world.estate.cluster.delete(STANDARD)
        assert until(lambda: standard(platform), lambda status: status != 200, BOUND)[0] == 404
        assert customer.infer().status == 200


@pytest.mark.row("MAAS-AUTH-066")
@pytest.mark.parametrize(("model", "status"), [("somebody/elses", 404), (7, 400)])
def test_the_path_authorises_and_the_model_server_judges_the_body(
    platform: Platform, model: object, status: int
) -> None:
    with world_on(platform) as world:
        customer = world.customer()
        path = f"{customer.model.path}/v1/chat/completions"
        body = {"max_tokens": 1, "messages": [{"role": "user", "content": "Hello"}]}
        good = customer.gateway("POST", path, json={**body, "model": customer.model.served_name})
        bad = customer.gateway("POST", path, json={**body, "model": model})
        assert (good.status, bad.status) == (200, status)
        journals = world.journals()
        assert journals is not None
        assert [entry.status for entry in journals.of(bad.request_id)] == [status]
