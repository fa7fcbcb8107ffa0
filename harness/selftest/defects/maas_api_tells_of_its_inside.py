"""An error quotes the call stack under which it was raised."""

import traceback
from typing import Any

from harness.selftest.overlay import run_with
from harness.simulator.maas_api.__main__ import main
from harness.simulator.maas_api.errors import RequestError

_body = RequestError.body


def body(self: RequestError) -> dict[str, Any]:
    """The usual words, and where they come from."""
    told = _body(self)
    return told | {"error": f"{told['error']}\n{''.join(traceback.format_exception(self))}"}


if __name__ == "__main__":
    run_with(RequestError, "body", body, main)
