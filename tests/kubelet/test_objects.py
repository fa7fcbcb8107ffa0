"""Pods, rollouts and EndpointSlices as pure functions."""

from typing import Any

import pytest

from harness.simulator.controllers.runtime.condition import find
from harness.simulator.kubelet.endpoints import endpoint_slice, selects
from harness.simulator.kubelet.pod import (
    ADMIN_URL,
    HASH_LABEL,
    LOG,
    URL,
    address_annotations,
    new_pod,
    pod_status,
    refused_status,
    template_hash,
)
from harness.simulator.kubelet.process import Standing
from harness.simulator.kubelet.rollout import deployment_status, next_step

LABELS = {"app": "m1"}
SERVING = {"api": "http://127.0.0.1:4711", "admin": "http://127.0.0.1:4712"}


def deployment(replicas: int | None = 1, command: str = "a") -> dict[str, Any]:
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "main", "command": [command]}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "ns", "uid": "u", "generation": 3},
        "spec": {"template": template} | ({} if replicas is None else {"replicas": replicas}),
    }


def pod(owner: dict[str, Any], name: str = "p", *, ready: bool = True, deleting: bool = False) -> dict[str, Any]:
    made = new_pod(owner, "node")
    made["metadata"] |= {"name": f"d-hash-{name}", "uid": name} | ({"deletionTimestamp": "t"} if deleting else {})
    made["status"] = {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    return made


def names(pods: tuple[dict[str, Any], ...]) -> list[str]:
    return sorted(made["metadata"]["uid"] for made in pods)


class TestRollout:
    def test_absent_replicas_mean_one(self) -> None:
        assert next_step(deployment(None), []).create == 1

    def test_it_scales_up_and_down_and_to_nothing(self) -> None:
        owner = deployment(2)
        pods = [pod(owner, "a"), pod(owner, "b"), pod(owner, "c", ready=False)]
        assert next_step(owner, pods[:1]).create == 1
        assert names(next_step(owner, pods).delete) == ["c"]
        assert len(next_step(deployment(0), pods).delete) == 3

    def test_a_pod_on_its_way_out_is_replaced(self) -> None:
        assert next_step(deployment(1), [pod(deployment(1), deleting=True)]).create == 1

    def test_an_older_pod_serves_until_a_newer_one_does(self) -> None:
        old, new = pod(deployment(1, "old"), "old"), deployment(1, "new")
        starting, serving = pod(new, "new", ready=False), pod(new, "new")
        assert next_step(new, [old]).create == 1
        assert next_step(new, [old]).delete == ()
        assert next_step(new, [old, starting]).delete == ()
        assert names(next_step(new, [old, serving]).delete) == ["old"]

    def test_an_older_pod_that_does_not_serve_goes_at_once(self) -> None:
        assert names(next_step(deployment(1, "new"), [pod(deployment(1, "old"), "old", ready=False)]).delete) == ["old"]

    def test_the_status_counts_and_judges(self) -> None:
        owner = deployment(2)
        written = deployment_status(owner, [pod(owner, "a"), pod(owner, "b", ready=False)], "now")
        assert (written["replicas"], written["readyReplicas"], written["unavailableReplicas"]) == (2, 1, 1)
        assert written["observedGeneration"] == 3
        assert find(written["conditions"], "Available")["reason"] == "MinimumReplicasUnavailable"
        complete = deployment_status(owner, [pod(owner, "a"), pod(owner, "b")], "now")
        assert find(complete["conditions"], "Available")["status"] == "True"
        assert find(complete["conditions"], "Progressing")["reason"] == "NewReplicaSetAvailable"


class TestPod:
    def test_it_is_the_template_with_a_name_an_owner_and_a_hash(self) -> None:
        made = new_pod(deployment(), "node")
        assert made["metadata"]["labels"] == LABELS | {HASH_LABEL: template_hash(deployment())}
        assert made["metadata"]["ownerReferences"][0]["uid"] == "u"
        assert made["spec"]["nodeName"] == "node"
        assert made["metadata"]["name"] != new_pod(deployment(), "node")["metadata"]["name"]

    def test_the_hash_follows_the_template_alone(self) -> None:
        assert template_hash(deployment(1)) == template_hash(deployment(5))
        assert template_hash(deployment(1, "a")) != template_hash(deployment(1, "b"))

    @pytest.mark.parametrize(
        ("standing", "phase", "ready", "waiting"),
        [
            (Standing("starting"), "Pending", "False", "ContainerCreating"),
            (Standing("running", SERVING), "Running", "True", None),
            (Standing("backoff", restarts=2, exit_code=1), "Running", "False", "CrashLoopBackOff"),
        ],
    )
    def test_the_status_follows_the_process(
        self, standing: Standing, phase: str, ready: str, waiting: str | None
    ) -> None:
        written = pod_status(pod(deployment(), ready=False), standing, "now")
        entry = written["containerStatuses"][0]
        assert (written["phase"], find(written["conditions"], "Ready")["status"]) == (phase, ready)
        assert written["podIP"] == "127.0.0.1"
        assert (entry["state"].get("waiting") or {}).get("reason") == waiting
        assert entry["restartCount"] == standing.restarts

    def test_a_signal_is_an_exit_code_as_runtimes_give_it(self) -> None:
        written = pod_status(pod(deployment()), Standing("backoff", restarts=1, exit_code=-9), "now")
        assert written["containerStatuses"][0]["lastState"]["terminated"] == {"exitCode": 137, "reason": "Error"}

    def test_addresses_are_announced_and_withdrawn(self) -> None:
        made = pod(deployment())
        changed = address_annotations(made, Standing("running", SERVING), "/log")
        assert changed == {URL: SERVING["api"], ADMIN_URL: SERVING["admin"], LOG: "/log"}
        made["metadata"]["annotations"] = changed
        assert address_annotations(made, Standing("running", SERVING), "/log") == {}
        assert address_annotations(made, Standing("backoff"), "/log") == {URL: None, ADMIN_URL: None}

    def test_a_refused_pod_says_why(self) -> None:
        written = refused_status(pod(deployment()), "because", "now")
        assert written["containerStatuses"][0]["state"]["waiting"]["message"] == "because"


class TestEndpoints:
    SERVICE = {  # noqa: RUF012 - never changed
        "metadata": {"name": "svc", "namespace": "ns", "uid": "s"},
        "apiVersion": "v1",
        "kind": "Service",
        "spec": {"selector": LABELS, "ports": [{"name": "http", "port": 8000, "appProtocol": "http"}]},
    }

    def located(self, **how: bool) -> dict[str, Any]:
        made = pod(deployment(), **how)
        made["metadata"]["annotations"] = {URL: SERVING["api"]}
        return made

    def test_a_selector_matches_labels_in_its_namespace(self) -> None:
        assert selects(self.SERVICE, pod(deployment()))
        assert not selects(self.SERVICE | {"spec": {}}, pod(deployment()))
        stranger = pod(deployment())
        stranger["metadata"]["namespace"] = "other"
        assert not selects(self.SERVICE, stranger)

    def test_a_slice_leads_to_the_processes_port(self) -> None:
        made = endpoint_slice(self.SERVICE, self.located())
        assert made is not None
        assert made["ports"] == [{"name": "http", "port": 4711, "protocol": "TCP", "appProtocol": "http"}]
        assert made["metadata"]["annotations"] == {"maas-conformance.dev/address": "127.0.0.1"}
        assert made["endpoints"][0]["conditions"] == {"ready": True, "serving": True, "terminating": False}
        assert made["metadata"]["labels"]["kubernetes.io/service-name"] == "svc"

    def test_a_pod_on_its_way_out_gets_no_new_requests(self) -> None:
        made = endpoint_slice(self.SERVICE, self.located(deleting=True))
        assert made is not None
        assert made["endpoints"][0]["conditions"] == {"ready": False, "serving": True, "terminating": True}

    def test_a_pod_without_a_port_has_no_slice(self) -> None:
        assert endpoint_slice(self.SERVICE, pod(deployment())) is None
