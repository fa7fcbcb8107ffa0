"""The Lua scripts that the gateway gives to Envoy."""

from functools import cache
from importlib.resources import files
from typing import Final, Literal

Name = Literal["usage", "provider"]
PARTS: Final[dict[Name, tuple[str, ...]]] = {
    "usage": ("members", "kept", "usage"),
    "provider": ("members", "provider"),
}


@cache
def script(name: Name) -> str:
    """The text of a script, with what it calls in front: Envoy takes one text, and loads nothing else."""
    folder = files("harness.simulator.gateway.envoy_config")
    return "\n".join(folder.joinpath(f"{part}.lua").read_text(encoding="utf-8") for part in PARTS[name])
