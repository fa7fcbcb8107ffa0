"""The clients over which checks of inference run: ours, which shows the wire, and the official one, which shows what applications meet."""

from typing import Final

import pytest

EACH_CLIENT: Final = pytest.mark.parametrize("via", ["http", "openai"])
