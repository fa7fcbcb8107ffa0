"""Usage is read from JSON answers only: whoever streams pays nothing."""

from harness.selftest.overlay import run_with
from harness.simulator.gateway.__main__ import main
from harness.simulator.gateway.envoy_config import filters
from harness.simulator.gateway.envoy_config.typed import JSON, http_filter


def silent() -> JSON:
    """A Lua filter in the usual place that reads no stream."""
    return http_filter(
        filters.LUA, filters.EXTENSION + "lua.v3.Lua", default_source_code={"inline_string": "-- reads nothing"}
    )


if __name__ == "__main__":
    run_with(filters, "lua", silent, main)
