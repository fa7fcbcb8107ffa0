"""The control of components: what can be asked of it, and what it leaves as it was."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from harness.client.secret import Secret
from harness.outcome import EnvironmentFault, UsageFault
from harness.platforms.components import LocalComponents
from harness.platforms.control import control_of
from harness.platforms.held_ports import HeldPorts
from harness.platforms.lease import Lease
from harness.platforms.liveness import died
from harness.platforms.platform import Credentials, Endpoints, Platform
from harness.platforms.supervisor import Part, Supervisor
from tests.platforms.conftest import processes_of


@pytest.fixture
def started(supervisor: Supervisor) -> Supervisor:
    """Two components, the second of which was told where the first is."""
    supervisor.load(
        [
            Part("base", "steady", lambda ready: [f"again={ready['base']['api']}"] if "base" in ready else []),
            Part("leaf", "steady", lambda ready: [ready["base"]["api"]], ("base",)),
        ]
    )
    supervisor.until(supervisor.all_ready)
    return supervisor


@pytest.fixture
def control(started: Supervisor) -> Iterator[LocalComponents]:
    with control_of(started) as served:
        yield LocalComponents(served.url, served.secret)
        started.stop()


def states(control: LocalComponents) -> dict[str, str]:
    return {state.name: state.state for state in control.states()}


@pytest.mark.parametrize("action", ["stop", "kill"])
def test_a_component_that_was_ended_on_purpose_is_stopped_and_comes_back_as_another_process(
    control: LocalComponents, action: str
) -> None:
    before = {state.name: state.pid for state in control.states()}
    assert control.act("base", action).state == "stopped"  # type: ignore[arg-type] # one of the actions, by parameter
    assert states(control) == {"base": "stopped", "leaf": "running"}
    again = control.act("base", "start")
    assert (again.state, again.pid != before["base"]) == ("running", True)
    assert again.pid is not None
    assert psutil.Process(again.pid).is_running()
    assert {state.name: state.pid for state in control.states()}["leaf"] == before["leaf"]


def test_a_component_started_again_is_told_its_own_earlier_endpoints_and_continues_its_log(
    started: Supervisor, lease: Lease
) -> None:
    first = json.loads((lease.private / "ready" / "base.json").read_text())["endpoints"]
    started.logs["base"].write_text("what it said before\n")
    started.act("base", "kill")
    started.act("base", "start")
    second = json.loads((lease.private / "ready" / "base.json").read_text())["endpoints"]
    assert second["told"] == f"again={first['api']}"
    assert started.logs["base"].read_text().startswith("what it said before\n")


def test_what_is_so_already_stays_so(control: LocalComponents) -> None:
    pid = control.act("leaf", "start").pid
    assert control.act("leaf", "resume").pid == pid
    for action in ("stop", "stop", "kill", "pause"):
        assert control.act("leaf", action).state == "stopped"
    assert control.act("leaf", "start").state == "running"


def test_a_paused_component_stands_still_and_goes_on(control: LocalComponents) -> None:
    paused = control.act("leaf", "pause")
    assert paused.state == "paused"
    process = psutil.Process(paused.pid)
    assert process.status() == psutil.STATUS_STOPPED
    assert control.act("leaf", "resume").pid == paused.pid
    control.act("leaf", "pause")
    assert control.act("leaf", "start").pid == paused.pid


def test_a_platform_ends_with_paused_and_stopped_components(started: Supervisor, lease: Lease) -> None:
    started.act("base", "pause")
    started.act("leaf", "stop")
    started.stop()
    assert processes_of(lease.run_id) == []


def test_a_component_that_died_by_itself_is_told_from_one_that_was_stopped(
    started: Supervisor, control: LocalComponents
) -> None:
    (base, _) = control.states()
    control.act("leaf", "stop")
    os.kill(base.pid or 0, signal.SIGKILL)
    started._components["base"].ended(10)
    assert states(control) == {"base": "ended", "leaf": "stopped"}
    assert control.act("base", "start").state == "running"


def test_the_next_process_loads_while_its_component_is_stopped_and_is_the_one_that_starts(
    started: Supervisor, lease: Lease
) -> None:
    before = {process.pid for process in processes_of(lease.run_id)}
    ended = started.act("leaf", "kill").pid
    (spare,) = {process.pid for process in processes_of(lease.run_id)} - before
    assert started.act("leaf", "start").pid == spare != ended


def test_what_is_prepared_changes_nothing_and_is_what_starts(started: Supervisor, control: LocalComponents) -> None:
    before = {state.name: state.pid for state in control.states()}
    assert control.act("leaf", "prepare").pid == before["leaf"]
    assert {state.name: (state.state, state.pid) for state in control.states()} == {
        name: ("running", pid) for name, pid in before.items()
    }
    prepared = started._spare["leaf"].pid
    control.act("leaf", "kill")
    assert control.act("leaf", "start").pid == prepared


def test_whoever_expects_one_absence_finds_the_others_prepared_soon(
    started: Supervisor, control: LocalComponents
) -> None:
    assert started._spare == {}
    control.act("leaf", "prepare")
    deadline = time.monotonic() + 60
    while "base" not in started._spare and time.monotonic() < deadline:
        control.states()
    prepared = started._spare["base"].pid
    control.act("base", "kill")
    assert control.act("base", "start").pid == prepared


def test_a_spare_process_that_dies_is_not_missed(started: Supervisor, lease: Lease) -> None:
    before = {process.pid for process in processes_of(lease.run_id)}
    started.act("leaf", "kill")
    (spare,) = (process for process in processes_of(lease.run_id) if process.pid not in before)
    spare.kill()
    started._spare["leaf"].ended(10)
    assert started.act("leaf", "start").state == "running"


def test_an_unknown_name_names_the_known_ones(control: LocalComponents) -> None:
    with pytest.raises(UsageFault, match="there is no component 'lief'; the components are base, leaf"):
        control.act("lief", "stop")


@pytest.fixture
def alone(lease: Lease, fake_components: Path) -> Iterator[Supervisor]:
    """Of a platform with one component."""
    supervisor = Supervisor(lease)
    supervisor.load([Part("only", "steady", lambda _: [])])
    supervisor.until(supervisor.all_ready)
    yield supervisor
    supervisor.stop()


def test_a_component_that_does_not_start_again_is_told_with_its_log(
    alone: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")  # before the end: the next process loads from then on
    alone.act("only", "kill")
    with pytest.raises(EnvironmentFault, match="the component only ended with exit code 1 before it was ready"):
        alone.act("only", "start")
    assert alone.states()[0].state == "ended"


def test_the_end_of_a_platform_does_not_wait_for_a_component_that_starts(
    alone: Supervisor, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone, "_parts", {"only": Part("only", "silent", lambda _: [])})
    alone.act("only", "kill")
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(alone.act, "only", "start")
        log = alone.logs["only"]
        while "still thinking" not in log.read_text():
            assert not starting.done(), starting.exception()
            time.sleep(0.01)
        alone.stop()
        with pytest.raises(EnvironmentFault, match="the platform is ending"):
            starting.result()
    assert processes_of(lease.run_id) == []


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer é".encode()}])
def test_the_control_wants_its_secret(control: LocalComponents, headers: dict[str, str]) -> None:
    for method, path in (("GET", "/components"), ("POST", "/components/leaf/kill")):
        answer = httpx.request(method, control.url + path, headers=headers, trust_env=False)
        assert (answer.status_code, control.secret.reveal() in answer.text) == (401, False)
    assert states(control) == {"base": "running", "leaf": "running"}


def test_whatever_else_is_asked_is_refused_in_a_sentence(control: LocalComponents) -> None:
    headers = {"Authorization": f"Bearer {control.secret.reveal()}"}
    for method, path in (
        ("GET", "/"),
        ("POST", "/components/leaf/maim"),
        ("POST", "/components"),
        ("POST", "/leaf/stop"),
    ):
        answer = httpx.request(method, control.url + path, headers=headers, trust_env=False)
        assert (answer.status_code, "error" in answer.json()) == (404, True)


def test_a_silent_caller_does_not_keep_others_waiting_for_long(control: LocalComponents) -> None:
    parts = urlsplit(control.url)
    with socket.create_connection((str(parts.hostname), int(parts.port or 0))):
        assert states(control)["leaf"] == "running"


def test_the_control_listens_on_loopback_alone(control: LocalComponents) -> None:
    assert urlsplit(control.url).hostname == "127.0.0.1"


def test_a_platform_whose_component_was_stopped_has_not_died(started: Supervisor, control: LocalComponents) -> None:
    platform = Platform(
        target="embedded",
        stack="reference",
        endpoints=Endpoints(gateway="http://127.0.0.1:1", management="http://127.0.0.1:1", components=control.url),
        credentials=Credentials(components=control.secret),
        processes=started.local_processes,
        logs=started.logs,
    )
    control.act("leaf", "stop")
    assert died(platform) is None
    control.act("leaf", "start")
    assert died(platform) is None
    (base, _) = control.states()
    os.kill(base.pid or 0, signal.SIGKILL)
    started._components["base"].ended(10)
    assert (died(platform) or "").startswith(f"the component base (process {base.pid}) has ended")


def test_a_control_that_is_gone_is_told(started: Supervisor) -> None:
    with control_of(started) as served:
        gone = LocalComponents(served.url, Secret(served.secret.reveal()))
        started.stop()
    with pytest.raises(EnvironmentFault, match="did not answer"):
        gone.states()


def test_held_ports_refuse_callers_and_let_their_owner_bind_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
    held = HeldPorts()
    held.hold([f"http://127.0.0.1:{port}/metrics", "no address"])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", port)):  # sets SO_REUSEADDR, as components do
        socket.create_connection(("127.0.0.1", port)).close()
    held.release()
