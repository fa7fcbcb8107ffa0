"""Usage is cut out of every stream that did not ask for it, also where it is a part of the protocol: responses lose theirs."""

from importlib.resources import files

from harness.selftest.overlay import run_with
from harness.simulator.gateway.__main__ import main
from harness.simulator.gateway.envoy_config import filters
from harness.simulator.gateway.envoy_config.typed import JSON, http_filter

_lua = filters.lua
EXEMPTION = ' or path_ends(handle, "/v1/responses$")'


def lua() -> JSON:
    """The real script without its exemption."""
    code = files("harness.simulator.gateway.envoy_config").joinpath("usage.lua").read_text(encoding="utf-8")
    if EXEMPTION not in code:
        raise ValueError(f"usage.lua no longer says {EXEMPTION!r}: adapt this defect")
    source = {"inline_string": code.replace(EXEMPTION, "")}
    script = http_filter(filters.LUA, filters.EXTENSION + "lua.v3.Lua", default_source_code=source)
    whole = _lua()
    whole["typed_config"]["extension_config"] = script
    return whole


if __name__ == "__main__":
    run_with(filters, "lua", lua, main)
