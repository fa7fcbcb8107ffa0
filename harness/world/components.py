"""The components of the platform under test, for checks that take one away; whatever a check does, all of them run when it ends."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

import pytest

from harness.outcome import EnvironmentFault
from harness.platforms.component_state import Action, ComponentState
from harness.platforms.components import LocalComponents
from harness.platforms.deployments import DeployedComponents, component_deployments
from harness.world.estate import Estate


class Control(Protocol):
    """What stops and starts components, wherever they run."""

    @property
    def pauses(self) -> bool:
        """Whether `pause` and `resume` can be asked of it."""

    def states(self) -> tuple[ComponentState, ...]:
        """Every component."""

    def act(self, name: str, action: Action) -> ComponentState:
        """Do this and return when it is done. Raises Fault when it cannot be done."""


class Components:
    """Takes components away and brings them back. Only checks that run alone may ask for it."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._known = frozenset(state.name for state in control.states())

    @contextmanager
    def without(self, *names: str, by: Action = "kill") -> Iterator[None]:
        """The platform without these components for the length of the block: killed, stopped, or paused.

        Afterwards all of them are ready again. A check of a component that this platform does not have to offer is not runnable.
        """
        self.require(*names, by=by)
        with ExitStack() as restored:
            for name in names:
                restored.callback(self._control.act, name, "resume" if by == "pause" else "start")
                self._control.act(name, by)
            yield

    def restart(self, name: str, *, by: Action = "kill") -> None:
        """End a component and start it at once."""
        with self.without(name, by=by):
            pass

    def expect_absence(self, *names: str, by: Action = "kill") -> None:
        """Say first which components a check will take away: it is not runnable where that cannot be, and they come back sooner.

        What a start needs is prepared while the check makes what it needs itself.
        """
        self.require(*names, by=by)
        for name in names:
            self._control.act(name, "prepare")

    def require(self, *names: str, by: Action = "kill") -> None:
        """Make the check not runnable where one of these components cannot be taken away in that way."""
        if by == "pause" and not self._control.pauses:
            pytest.skip("not runnable: needs to pause a component; a Deployment can only be stopped")
        absent = [name for name in names if name not in self._known]
        if absent:
            known = ", ".join(sorted(self._known))
            pytest.skip(f"not runnable: needs to stop {absent[0]}; here can be stopped {known}")

    def restore(self) -> None:
        """Start whatever does not run."""
        for state in self._control.states():
            if state.state == "paused":
                self._control.act(state.name, "resume")
            elif state.state in ("stopped", "ended"):
                self._control.act(state.name, "start")


def components_of(estate: Estate) -> Components:
    """Those of this platform. Raises EnvironmentFault where they cannot be controlled: the check should need `components`."""
    local = LocalComponents.of(estate.platform)
    if local is not None:
        return Components(local)
    if not estate.platform.provides.get("components"):
        raise EnvironmentFault(
            "the components of this platform cannot be stopped, and the check does: it should need 'components'"
        )
    found = component_deployments(estate.cluster, estate.platform.namespaces)
    return Components(DeployedComponents(estate.cluster, found))
