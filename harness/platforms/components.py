"""Stopping and starting the components of a platform, from any process that holds its Platform value."""

from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from harness.client.secret import Secret
from harness.client.trust import trust
from harness.outcome import EnvironmentFault, UsageFault
from harness.platforms.component_state import Action, ComponentState
from harness.platforms.platform import Platform

ACTION_BOUND_S: Final = 60.0
"""A component that starts loads its code first; on a busy machine that takes its time."""


@dataclass(frozen=True, slots=True)
class LocalComponents:
    """The control that the process serves which holds an embedded platform open."""

    url: str
    secret: Secret
    http: httpx.Client = field(
        default_factory=lambda: httpx.Client(timeout=ACTION_BOUND_S, trust_env=False, verify=trust())
    )

    @property
    def pauses(self) -> bool:
        """Processes can be stopped for a while."""
        return True

    @classmethod
    def of(cls, platform: Platform) -> "LocalComponents | None":
        """That of this platform; None where it has none."""
        url, secret = platform.endpoints.components, platform.credentials.components
        return cls(url, secret) if url and secret else None

    def states(self) -> tuple[ComponentState, ...]:
        """Every component. Raises EnvironmentFault when the control does not answer."""
        return tuple(ComponentState.model_validate(entry) for entry in self._call("GET", "/components")["components"])

    def act(self, name: str, action: Action) -> ComponentState:
        """Do this and return when it is done. Raises UsageFault for an unknown name, EnvironmentFault when it cannot be done."""
        return ComponentState.model_validate(self._call("POST", f"/components/{name}/{action}"))

    def _call(self, method: str, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.secret.reveal()}"}
        try:
            answer = self.http.request(method, self.url + path, headers=headers)
            document = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise EnvironmentFault(
                f"the control of components at {self.url} did not answer ({type(error).__name__}): is the platform still up?"
            ) from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise UsageFault(str(document.get("error")))
        if answer.status_code != httpx.codes.OK:
            raise EnvironmentFault(str(document.get("error")))
        return document
