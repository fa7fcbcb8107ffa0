import time

import psutil
import pytest

from harness.outcome import EnvironmentFault
from harness.platforms.lease import Lease
from harness.platforms.liveness import dead_component
from harness.platforms.supervisor import Endpoints, Part, Supervisor
from tests.platforms.conftest import processes_of


def part(name: str, module: str = "steady", *needs: str, **options: bool) -> Part:
    return Part(name, module, lambda ready: [f"{need}={ready[need]['api']}" for need in needs], needs, **options)


def start(supervisor: Supervisor, *parts: Part) -> Endpoints:
    supervisor.load(parts)
    return supervisor.until(supervisor.all_ready)


def test_a_part_is_told_the_endpoints_of_those_it_needs_once_they_are_ready(supervisor: Supervisor) -> None:
    supervisor.load([part("last", "steady", "middle", "first"), part("middle", "steady", "first"), part("first")])
    ready = supervisor.until(supervisor.all_ready)
    assert ready["first"]["told"] == ""
    assert ready["middle"]["told"] == f"first={ready['first']['api']}"
    assert ready["last"]["told"] == f"middle={ready['middle']['api']} first={ready['first']['api']}"


def test_a_component_that_ends_before_it_is_ready_is_reported_with_the_end_of_its_log(supervisor: Supervisor) -> None:
    supervisor.load([part("fine")])
    with pytest.raises(EnvironmentFault) as fault:
        start(supervisor, part("flux", "dying"))
    assert "the component flux ended with exit code 7 before it was ready" in str(fault.value)
    assert "cannot open the flux capacitor" in str(fault.value)


def test_a_component_that_is_late_is_named_with_the_end_of_its_log(supervisor: Supervisor) -> None:
    supervisor.load([part("slow", "silent"), part("waits", "steady", "slow")])
    log = supervisor.logs["slow"]
    supervisor.until(lambda _: "still thinking" in log.read_text(), bound_s=10)
    with pytest.raises(EnvironmentFault) as fault:
        supervisor.until(supervisor.all_ready, bound_s=0.05)
    assert "not ready within 0.05 s: slow" in str(fault.value)
    assert "waits" not in str(fault.value).splitlines()[0]
    assert "still thinking" in str(fault.value)


def test_an_import_error_of_a_component_is_in_its_log(supervisor: Supervisor) -> None:
    with pytest.raises(EnvironmentFault, match="No module named 'no_such_component'"):
        start(supervisor, part("ghost", "no_such_component"))


def test_stop_ends_components_that_ignore_sigterm_and_their_children(lease: Lease, supervisor: Supervisor) -> None:
    supervisor.load([part("mule", "stubborn"), part("meek")])
    ready = supervisor.until(supervisor.all_ready)
    child = psutil.Process(int(ready["mule"]["child"]))
    assert len(processes_of(lease.run_id)) == 3
    supervisor.stop()
    assert processes_of(lease.run_id) == []
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_stop_ends_components_that_were_never_told_their_arguments(lease: Lease, supervisor: Supervisor) -> None:
    supervisor.load([part("blocker", "silent"), part("waiting", "steady", "blocker")])
    supervisor.stop()
    assert processes_of(lease.run_id) == []


def test_those_that_stop_last_outlive_the_others(supervisor: Supervisor) -> None:
    supervisor.load([part("base", "steady", stops_last=True), part("leaf", "steady", "base")])
    supervisor.until(supervisor.all_ready)
    order: list[str] = []
    for name, component in supervisor._components.items():
        original = component.ask_to_end
        component.ask_to_end = lambda name=name, original=original: (order.append(name), original())  # type: ignore[method-assign]
    supervisor.stop()
    assert order == ["leaf", "base"]


def test_a_component_that_dies_later_is_noticed_from_its_record(supervisor: Supervisor) -> None:
    supervisor.load([part("a"), part("b")])
    supervisor.until(supervisor.all_ready)
    processes, logs = supervisor.local_processes, supervisor.logs
    assert dead_component(processes, logs) is None
    logs["b"].write_text("the last words of b\n")
    psutil.Process(processes["b"].pid).kill()
    psutil.wait_procs([psutil.Process(processes["b"].pid)], timeout=0.01)
    deadline = time.monotonic() + 60
    while (sentence := dead_component(processes, logs)) is None and time.monotonic() < deadline:
        pass
    assert sentence is not None
    assert sentence.startswith(f"the component b (process {processes['b'].pid}) has ended")
    assert "the last words of b" in sentence
