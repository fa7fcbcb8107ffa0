"""What `--set` can choose about an embedded platform."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from harness.outcome import UsageFault
from harness.platforms.embedded.quirks import chosen
from harness.platforms.platform import Parameters
from harness.platforms.settings import require_known, switch

COMPONENT: Final = "component."
"""`--set component.NAME=MODULE` runs another module in a component's place: how the self-test breaks one seam at a time."""
SETTINGS: Final[Mapping[str, str]] = {
    "component.NAME": "a module to run in the place of this component",
    "model-ready-bound": "seconds in which the world has to be in force; default 60, with --backend vllm 900",
    "quirks": "none, upstream, or requirement ids with commas between: weaknesses of upstream to repeat; default none",
    "vllm-without-gpu": "true: let --backend vllm try a machine without a GPU (a vLLM built for CPUs)",
}
VLLM_BOUND_S: Final = 900.0
"""A real vLLM downloads and loads weights before it answers."""


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """The settings, read."""

    replaced: Mapping[str, str] = field(default_factory=dict)
    ready_bound_s: float = Parameters().ready_bound_s
    without_gpu: bool = False
    quirks: tuple[str, ...] = ()

    @classmethod
    def read(cls, settings: Mapping[str, str], backend: str) -> Self:
        """Check and convert. Raises UsageFault for an unknown key or a value of another type."""
        replaced = {key.removeprefix(COMPONENT): text for key, text in settings.items() if key.startswith(COMPONENT)}
        require_known(
            {key: text for key, text in settings.items() if not key.startswith(COMPONENT)}, SETTINGS, "embedded"
        )
        usual = VLLM_BOUND_S if backend == "vllm" else Parameters().ready_bound_s
        text = settings.get("model-ready-bound", str(usual))
        try:
            bound_s = float(text)
        except ValueError as error:
            raise UsageFault(f"the setting model-ready-bound is a number of seconds, came {text!r}") from error
        if not bound_s > 0:
            raise UsageFault(f"the setting model-ready-bound is a number of seconds above 0, came {text!r}")
        return cls(
            replaced, bound_s, switch(settings, "vllm-without-gpu", default=False), chosen(settings.get("quirks", ""))
        )
