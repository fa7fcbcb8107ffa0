"""Usage is forced in whatever is called stream_options first, also in a field of the caller's: such a stream states none, and is free."""

from importlib.resources import files

from harness.selftest.overlay import run_with
from harness.simulator.gateway.__main__ import main
from harness.simulator.gateway.envoy_config import filters
from harness.simulator.gateway.envoy_config.typed import JSON, http_filter

_lua = filters.lua
EXACT = "local replaced = forced(text)"
TEXTUAL = """local replaced, found = string.gsub(text, '"stream_options"%s*:%s*%b{}', '"stream_options":' .. OPTIONS)
  if found == 0 then
    replaced = forced(text)
  end"""


def lua() -> JSON:
    """The real script with a search in place of a reader."""
    code = files("harness.simulator.gateway.envoy_config").joinpath("usage.lua").read_text(encoding="utf-8")
    if EXACT not in code:
        raise ValueError(f"usage.lua no longer says {EXACT!r}: adapt this defect")
    source = {"inline_string": code.replace(EXACT, TEXTUAL)}
    script = http_filter(filters.LUA, filters.EXTENSION + "lua.v3.Lua", default_source_code=source)
    whole = _lua()
    whole["typed_config"]["extension_config"] = script
    return whole


if __name__ == "__main__":
    run_with(filters, "lua", lua, main)
