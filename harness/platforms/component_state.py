"""What is known of a component that can be stopped and started again, and what can be asked of it."""

from typing import Final, Literal, get_args

from pydantic import BaseModel, ConfigDict

State = Literal["starting", "running", "paused", "stopped", "ended"]
"""`stopped` was asked for, `ended` was not: a component that ended by itself has died."""
Action = Literal["stop", "kill", "start", "pause", "resume", "prepare"]
"""`prepare` changes nothing that anybody sees: what can be done beforehand for the next start is done."""
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)


class ComponentState(BaseModel):
    """One component; `pid` of its latest process on this machine, `seconds` that the action took which it answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    state: State
    pid: int | None = None
    seconds: float | None = None
