"""Jobs and CronJobs, and the platform's own containers: pure functions first, then the process on a real API server."""

import base64
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import httpx
import pytest

from harness.simulator.controllers.runtime.kind import (
    CRON_JOB,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    JOB,
    NAMESPACE,
    POD,
    SECRET,
    SERVICE,
)
from harness.simulator.controllers.runtime.store import Store
from harness.simulator.kubelet.job import due, job_of, job_status
from harness.simulator.kubelet.launch import UnrunnableError
from harness.simulator.kubelet.platform import API, ERRAND, NOBODY, Surroundings, module_of, platform_launch, resolved
from harness.simulator.kubelet.pod import URL
from harness.simulator.maas_api.errand import main as errand
from tests.controllers.client import Client
from tests.controllers.objects import made
from tests.controllers.world import condition, gone
from tests.kubelet.conftest import Node

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def pod_of(phase: str) -> dict[str, Any]:
    return made("Pod", "p", status={"phase": phase})


class TestJobStatus:
    @pytest.mark.parametrize(
        ("phases", "limit", "ended"),
        [
            ((), 1, None),
            (("Running",), 1, None),
            (("Succeeded",), 1, "Complete"),
            (("Failed",), 1, None),
            (("Failed", "Failed"), 1, "Failed"),
            (("Failed", "Succeeded"), 1, "Complete"),
            (("Failed",), 0, "Failed"),
        ],
    )
    def test_a_job_ends_with_its_first_success_or_one_failure_too_many(
        self, phases: tuple[str, ...], limit: int, ended: str | None
    ) -> None:
        job = made("Job", "j", spec={"backoffLimit": limit})
        status = job_status(job, [pod_of(phase) for phase in phases], "2026-01-01T00:00:00Z")
        kinds = {entry["type"] for entry in status.get("conditions") or ()}
        assert kinds & {"Complete", "Failed"} == ({ended} if ended else set())
        assert (status["succeeded"], status["failed"]) == (phases.count("Succeeded"), phases.count("Failed"))


class TestSchedule:
    def cron(self, schedule: str = "*/15 * * * *", *, last: datetime | None = None, **spec: Any) -> dict[str, Any]:
        created = {"creationTimestamp": (NOON - timedelta(hours=1)).isoformat()}
        status = {"lastScheduleTime": last.isoformat()} if last else {}
        return made("CronJob", "c", metadata=created, spec={"schedule": schedule, **spec}, status=status)

    def test_a_run_is_due_once_its_time_has_come(self) -> None:
        soon, late = NOON - timedelta(seconds=1), NOON + timedelta(seconds=1)
        assert due(self.cron(), soon) == (None, NOON)
        assert due(self.cron(), late) == (NOON, NOON + timedelta(minutes=15))

    def test_a_run_is_not_due_twice(self) -> None:
        late = NOON + timedelta(seconds=1)
        assert due(self.cron(last=NOON), late) == (None, NOON + timedelta(minutes=15))

    def test_a_run_that_is_too_late_is_left_out(self) -> None:
        late = NOON + timedelta(minutes=6)
        assert due(self.cron(), late)[0] is None
        assert due(self.cron(startingDeadlineSeconds=600), late)[0] == NOON

    def test_a_schedule_that_cannot_be_read_is_never_due(self) -> None:
        assert due(self.cron("whenever"), NOON) == (None, None)

    def test_a_run_is_named_after_its_minute(self) -> None:
        job = job_of(self.cron(jobTemplate={"spec": {"backoffLimit": 2}}), NOON)
        assert job["metadata"]["name"] == f"c-{int(NOON.timestamp()) // 60}"
        assert job["spec"] == {"backoffLimit": 2}
        assert job["metadata"]["ownerReferences"][0]["controller"] is True


class TestPlatformContainers:
    def pod(self, module: str, *args: str, **container: Any) -> dict[str, Any]:
        main = {"name": "main", "command": ["python", "-m", module], "args": list(args), **container}
        return made("Pod", "p", "infra", spec={"containers": [main]})

    def around(self, *, secret: bytes | None = None, slices: tuple[dict[str, Any], ...] = ()) -> Surroundings:
        secrets, endpoints = Store(), Store()
        if secret is not None:
            data = {"url": base64.b64encode(secret).decode()}
            secrets.observe(made("Secret", "db", "infra", data=data))
        for found in slices:
            endpoints.observe(found)
        return Surroundings(secrets, endpoints, Path("/kubeconfig"))

    def test_only_the_platforms_own_modules_are_run(self) -> None:
        assert module_of(self.pod(API)) == API
        assert module_of(self.pod(ERRAND)) == ERRAND
        assert module_of(self.pod("http.server")) is None

    def test_a_server_listens_where_its_pod_may(self) -> None:
        pod = self.pod(API, "--bind", "0.0.0.0:8443", "--tenant", "blue", env=[{"name": "A", "value": "b"}])
        launch = platform_launch(pod, API, Path("/ready"), self.around())
        assert "0.0.0.0:8443" not in launch.arguments
        assert launch.arguments[:2] == ("--tenant", "blue")
        assert launch.arguments[-2:] == ("--ready-file", "/ready")
        assert launch.environment == {"A": "b", "KUBECONFIG": "/kubeconfig"}
        assert launch.serves

    def test_a_variable_may_come_from_a_secret(self) -> None:
        entry = {"name": "DB", "valueFrom": {"secretKeyRef": {"name": "db", "key": "url"}}}
        pod = self.pod(API, env=[entry])
        launch = platform_launch(pod, API, Path("/ready"), self.around(secret=b"sqlite:///x"))
        assert launch.environment["DB"] == "sqlite:///x"
        with pytest.raises(UnrunnableError, match="infra/db"):
            platform_launch(pod, API, Path("/ready"), self.around())
        entry["valueFrom"]["secretKeyRef"]["optional"] = True
        assert "DB" not in platform_launch(pod, API, Path("/ready"), self.around()).environment

    @pytest.mark.parametrize("host", ["api.infra.svc", "api.infra.svc.cluster.local"])
    def test_a_services_name_becomes_its_endpoints_address(self, host: str) -> None:
        found = {
            **made("EndpointSlice", "s", "infra", metadata={"labels": {"kubernetes.io/service-name": "api"}}),
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
            "ports": [{"port": 4321}],
        }
        around = self.around(slices=(found,))
        assert resolved(f"http://{host}:8443/x", around.slices) == "http://127.0.0.1:4321/x"
        assert resolved(f"https://{host}:8443/x", around.slices) == "https://127.0.0.1:4321/x"
        assert resolved(f"http://{host}:8443/x", Store()) == f"http://{NOBODY}/x"
        assert resolved("http://127.0.0.1:1/x", around.slices) == "http://127.0.0.1:1/x"

    @pytest.mark.parametrize("arguments", [[], ["GET"], ["GET", "ftp://x"], ["GET", "nothing"]])
    def test_an_errand_without_a_url_is_a_usage_fault(
        self, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert errand(arguments) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


class Server:
    """Answers every call with a code, and notes it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.code = 200
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version: ClassVar[str] = "HTTP/1.1"

            def do_POST(self) -> None:
                server.calls.append(self.path)
                self.send_response(server.code)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.http.shutdown()


class Space:
    """A namespace of a test's own with a Service that leads to the server."""

    def __init__(self, client: Client, server: Server) -> None:
        self.client = client
        self.name = f"ns-{uuid4().hex[:8]}"
        client.create(NAMESPACE, self.name)
        client.create(
            ENDPOINT_SLICE,
            "api-test",
            self.name,
            metadata={
                "labels": {"kubernetes.io/service-name": "api"},
                "annotations": {"maas-conformance.dev/address": "127.0.0.1"},
            },
            addressType="IPv4",
            ports=[{"name": "http", "port": server.http.server_port, "protocol": "TCP"}],
            endpoints=[{"addresses": ["192.0.2.1"], "conditions": {"ready": True}}],
        )

    def work(self, service: str = "api", **spec: Any) -> dict[str, Any]:
        """A Job's spec: one call."""
        url = f"http://{service}.{self.name}.svc.cluster.local:8443/errand"
        container = {"name": "errand", "image": "x", "command": ["python", "-m", ERRAND], "args": ["POST", url]}
        return {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}, **spec}


class TestProcess:
    def test_a_job_runs_to_its_end_and_goes_when_its_time_is_over(self, node: Node, server: Server) -> None:
        space = Space(node.client, server)
        node.client.create(JOB, "once", space.name, spec=space.work())
        found = node.client.until(JOB, "once", space.name, condition("Complete", "True"))
        assert found is not None
        assert found["status"]["succeeded"] == 1
        assert server.calls == ["/errand"]
        [pod] = node.client.all(POD, space.name)
        assert pod["status"]["phase"] == "Succeeded"
        node.client.create(JOB, "brief", space.name, spec=space.work(ttlSecondsAfterFinished=0))
        node.client.until(JOB, "brief", space.name, gone)

    def test_a_job_that_fails_is_tried_again_and_then_given_up(self, node: Node, server: Server) -> None:
        space = Space(node.client, server)
        server.code = 500
        node.client.create(JOB, "vain", space.name, spec=space.work(backoffLimit=1))
        found = node.client.until(JOB, "vain", space.name, condition("Failed", "True", "BackoffLimitExceeded"))
        assert found is not None
        assert found["status"]["failed"] == 2
        assert server.calls == ["/errand", "/errand"]

    def test_a_service_without_endpoints_is_nobody(self, node: Node, server: Server) -> None:
        space = Space(node.client, server)
        node.client.create(JOB, "lost", space.name, spec=space.work("nobody", backoffLimit=0))
        node.client.until(JOB, "lost", space.name, condition("Failed", "True"))
        assert server.calls == []

    @pytest.mark.row("MAAS-KEY-104")
    def test_a_cron_job_makes_up_for_a_run_that_it_missed(self, node: Node, server: Server) -> None:
        space = Space(node.client, server)
        spec = {
            "schedule": "* * * * *",
            "concurrencyPolicy": "Forbid",
            "suspend": True,
            "jobTemplate": {"spec": space.work()},
        }
        node.client.create(CRON_JOB, "often", space.name, spec=spec)
        earlier = (datetime.now(UTC) - timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
        node.client.patch(CRON_JOB, "often", {"status": {"lastScheduleTime": earlier}}, space.name, status=True)
        assert node.client.all(JOB, space.name) == []
        node.client.patch(CRON_JOB, "often", {"spec": {"suspend": False}}, space.name)
        found = node.client.until(
            CRON_JOB,
            "often",
            space.name,
            lambda cron: cron is not None and cron["status"]["lastScheduleTime"] > earlier,
        )
        assert found is not None
        job = node.client.all(JOB, space.name)[0]  # a second one where the minute ends just now
        node.client.until(JOB, job["metadata"]["name"], space.name, condition("Complete", "True"))
        assert set(server.calls) == {"/errand"}
        node.client.delete(CRON_JOB, "often", space.name)

    @pytest.mark.row("MAAS-MT-002")
    def test_a_management_api_of_a_tenant_is_served_by_its_service(self, node: Node, tmp_path: Path) -> None:
        client, space = node.client, f"ns-{uuid4().hex[:8]}"
        client.create(NAMESPACE, space)
        encoded = base64.b64encode(f"sqlite:///{tmp_path / 'keys.db'}".encode()).decode()
        client.create(SECRET, "db", space, data={"url": encoded})
        database = {"name": "DB_CONNECTION_URL", "valueFrom": {"secretKeyRef": {"name": "db", "key": "url"}}}
        container = {
            "name": "main",
            "image": "x",
            "command": ["python", "-m", API],
            "args": ["--bind", "0.0.0.0:8443"],
            "env": [{"name": "TENANT_NAME", "value": "blue"}, database],
        }
        template = {"metadata": {"labels": {"app": "api"}}, "spec": {"containers": [container]}}
        selector = {"matchLabels": {"app": "api"}}
        client.create(DEPLOYMENT, "api", space, spec={"replicas": 1, "selector": selector, "template": template})
        port = {"name": "http", "port": 8443, "targetPort": 8443, "protocol": "TCP"}
        client.create(SERVICE, "api", space, spec={"selector": {"app": "api"}, "ports": [port]})
        client.until(DEPLOYMENT, "api", space, condition("Available", "True"))
        [pod] = client.all(POD, space)
        url = pod["metadata"]["annotations"][URL]
        assert httpx.get(f"{url}/health", trust_env=False).status_code == 200
        [found] = client.all(ENDPOINT_SLICE, space)
        assert str(found["ports"][0]["port"]) == url.rsplit(":", 1)[1]
        client.delete(DEPLOYMENT, "api", space)
        client.until(POD, pod["metadata"]["name"], space, gone)
