"""Starts components in the order of their needs and ends them so that nothing is left."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.outcome import EnvironmentFault, UsageFault
from harness.platforms.component_state import Action, ComponentState, State
from harness.platforms.held_ports import HeldPorts
from harness.platforms.lease import Lease
from harness.platforms.platform import LocalProcess
from harness.platforms.process import Component
from harness.platforms.remains import end_processes, marked

Endpoints = Mapping[str, Mapping[str, str]]
"""Component name → endpoint name → address, of the components that are ready."""
START_BOUND_S: Final = 30.0
LOOK_INTERVAL_S: Final = 0.005
LOAD_INTERVAL_S: Final = 0.25
"""Between two processes that are loaded ahead: about what loading takes, so that one core at most is busy with it."""
STOP_BOUND_S: Final = 2.2
"""Components promise to end within 2 s of SIGTERM; what does not is killed."""


@dataclass(frozen=True, slots=True)
class Part:
    """A component to be: the module that it runs, whom it needs ready first, and its arguments once these are.

    When it is started again, the endpoints that `arguments` sees hold its own earlier ones, where it has to listen again.
    """

    name: str
    module: str
    arguments: Callable[[Endpoints], Sequence[str]]
    needs: tuple[str, ...] = ()
    stops_last: bool = False


class Supervisor:
    """The processes of one platform.

    A thread that starts any of them has to live as long as the platform does. Once all are ready, `act` may be called from another.
    """

    def __init__(self, lease: Lease, environment: Mapping[str, str] | None = None) -> None:
        self._lease = lease
        self._environment = environment
        self._components: dict[str, Component] = {}
        self._parts: dict[str, Part] = {}
        self._told: dict[str, float] = {}
        self._ready: dict[str, Mapping[str, str]] = {}
        self._commanded: dict[str, State] = {}
        self._held: dict[str, HeldPorts] = {}
        self._spare: dict[str, Component] = {}
        self._next_load = float("inf")
        self._lock = threading.RLock()
        self._ending = False

    def load(self, parts: Sequence[Part]) -> None:
        """Start the processes of these parts, in this order; each loads its code and waits for its arguments."""
        for part in parts:
            self._parts[part.name] = part
            self._components[part.name] = Component(part.name, part.module, self._lease, self._environment)
            self._advance()

    def until(self, done: Callable[[Endpoints], bool], *, bound_s: float = START_BOUND_S) -> Endpoints:
        """Drive the start until `done` holds for the endpoints announced so far.

        Raises EnvironmentFault when a component ends, or is not ready within the bound, with the end of its log.
        """
        deadline = time.monotonic() + bound_s
        while True:
            self._advance()
            if done(self._ready):
                return self._ready
            if time.monotonic() > deadline:
                raise self._late(bound_s)
            time.sleep(LOOK_INTERVAL_S)

    def all_ready(self, endpoints: Endpoints) -> bool:
        """Whether every part has announced itself; for `until`."""
        return len(endpoints) == len(self._parts)

    def look(self) -> None:
        """Raise EnvironmentFault when a component has ended."""
        for component in self._components.values():
            component.look()

    @property
    def logs(self) -> dict[str, Path]:
        """Log file of each component."""
        return {name: component.log for name, component in self._components.items()}

    @property
    def local_processes(self) -> dict[str, LocalProcess]:
        """Each component's process, for the Platform value."""
        return {
            record.name: LocalProcess(pid=record.pid, started=record.started) for record in self._lease.processes[1:]
        }

    def _advance(self) -> None:
        """Take note of who became ready, and tell those their arguments whose needs are met by it."""
        progress = True
        while progress:
            progress = False
            for name, component in self._components.items():
                part = self._parts[name]
                if component.look() and name not in self._ready:
                    assert component.endpoints is not None
                    self._ready[name] = component.endpoints
                    progress = True
                if name not in self._told and all(need in self._ready for need in part.needs):
                    component.tell(part.arguments(self._ready))
                    self._told[name] = time.monotonic()

    def _late(self, bound_s: float) -> EnvironmentFault:
        late = [name for name in self._told if name not in self._ready]
        logs = "\n".join(f"the end of the log of {name}:\n{self._components[name].tail()}" for name in late)
        return EnvironmentFault(
            f"not ready within {bound_s:g} s: {', '.join(late) or 'nothing was told to start'}\n{logs}"
        )

    def states(self) -> tuple[ComponentState, ...]:
        """Every component, those first that were loaded first."""
        with self._lock:
            return tuple(self._state(name) for name in self._components)

    def act(self, name: str, action: Action) -> ComponentState:
        """Do this to one component, and return when it is done: a component started again answers where it answered before.

        What is so already stays so. Raises UsageFault for an unknown name, EnvironmentFault when it does not start.
        """
        with self._lock:
            if name not in self._components:
                raise UsageFault(f"there is no component {name!r}; the components are {', '.join(self._components)}")
            if self._ending:
                raise EnvironmentFault("the platform is ending")
            began = time.monotonic()
            steps: dict[Action, Callable[[str], None]] = {
                "stop": self._stop_one,
                "kill": self._kill_one,
                "start": self._start_one,
                "pause": self._pause_one,
                "resume": self._resume_one,
                "prepare": self._expect_absence,
            }
            steps[action](name)
            took = time.monotonic() - began
            return self._state(name).model_copy(update={"seconds": round(took, 3)})

    def _state(self, name: str) -> ComponentState:
        component = self._components[name]
        state: State = "running" if name in self._ready else "starting"
        if component.ended(0):
            state = "stopped" if self._commanded.get(name) == "stopped" else "ended"
        elif name in self._commanded:
            state = self._commanded[name]
        return ComponentState(name=name, state=state, pid=component.pid)

    def _stop_one(self, name: str) -> None:
        component = self._components[name]
        self._command(name, "stopped")
        component.resume()
        component.ask_to_end()
        if not component.ended(STOP_BOUND_S):
            component.kill()
        self._hold(name)
        self._prepare(name)

    def _kill_one(self, name: str) -> None:
        self._command(name, "stopped")
        self._components[name].kill()
        self._hold(name)
        self._prepare(name)

    def _pause_one(self, name: str) -> None:
        if not self._components[name].ended(0):
            self._command(name, "paused")
            self._components[name].pause()

    def _resume_one(self, name: str) -> None:
        if self._commanded.get(name) == "paused":
            self._components[name].resume()
            del self._commanded[name]

    def _start_one(self, name: str) -> None:
        self._resume_one(name)
        if not self._components[name].ended(0):
            return
        self._hold(name)
        part = self._parts[name]
        self._prepare(name)
        self._components[name] = component = self._spare.pop(name)
        self._commanded[name] = "starting"
        component.tell(part.arguments(self._ready))
        deadline = time.monotonic() + START_BOUND_S
        while not component.look():
            if self._ending:
                raise EnvironmentFault("the platform is ending")
            if time.monotonic() > deadline:
                raise EnvironmentFault(f"not ready within {START_BOUND_S:g} s: {name}\n{component.tail()}")
            time.sleep(LOOK_INTERVAL_S)
        assert component.endpoints is not None
        self._ready[name] = component.endpoints
        del self._commanded[name]
        self._held.pop(name).release()

    def _command(self, name: str, state: State) -> None:
        self._commanded[name] = state

    def _hold(self, name: str) -> None:
        """Keep the addresses of a component that has ended."""
        if name not in self._held:
            self._held[name] = HeldPorts()
            self._held[name].hold(self._ready.get(name, {}).values())

    def _expect_absence(self, name: str) -> None:
        """Whoever takes one component away takes others away soon, each of which is to be back as soon as it can be."""
        self._prepare(name)
        self._next_load = min(self._next_load, time.monotonic() + LOAD_INTERVAL_S)

    def look_ahead(self) -> None:
        """Load the next process of one more component, once somebody expects absences. For the thread that acts, between actions."""
        if time.monotonic() < self._next_load:
            return
        with self._lock:
            name = next((name for name in self._components if name not in self._spare), None)
            if name is not None and not self._ending:
                self._prepare(name)
                self._next_load = time.monotonic() + LOAD_INTERVAL_S

    def _prepare(self, name: str) -> None:
        """Load the next process of a component: most of a start is loading, and can be over before it is asked for."""
        if name not in self._spare or self._spare[name].ended(0):
            self._spare[name] = Component(name, self._parts[name].module, self._lease, self._environment, again=True)

    def stop(self) -> None:
        """End every process: those that others lean on last, all within 3 s, children of components included."""
        self._ending = True  # seen by an action that starts later; one under way ends first
        with self._lock:
            self._stop_all()
            for held in self._held.values():
                held.release()

    def _stop_all(self) -> None:
        deadline = time.monotonic() + STOP_BOUND_S
        for spare in self._spare.values():
            spare.kill()
        for name, state in self._commanded.items():
            if state == "paused":
                self._components[name].resume()
        first = [component for name, component in self._components.items() if not self._parts[name].stops_last]
        last = [component for name, component in self._components.items() if self._parts[name].stops_last]
        for group, until in ((first, deadline - 0.4), (last, deadline)):
            for component in group:
                component.ask_to_end()
            for component in group:
                component.ended(max(0.0, until - time.monotonic()))
        for component in self._components.values():
            if not component.ended(0):
                component.kill()
        end_processes(marked(self._lease.run_id), (), grace_s=0.3)
