"""Usage is forced in whatever is called stream_options first, also in a field of the caller's: such a stream states none, and is free."""

from harness.selftest.overlay import edited, run_with
from harness.simulator.gateway.__main__ import main
from harness.simulator.gateway.envoy_config import filters

_script = filters.usage_script
EXACT = "local replaced = forced(text)"
TEXTUAL = """local replaced, found = string.gsub(text, '"stream_options"%s*:%s*%b{}', '"stream_options":' .. OPTIONS)
  if found == 0 then
    replaced = forced(text)
  end"""


def usage_script() -> str:
    """The real script with a search in place of a reader."""
    return edited(_script(), EXACT, TEXTUAL)


if __name__ == "__main__":
    run_with(filters, "usage_script", usage_script, main)
