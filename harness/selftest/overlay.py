"""Running a component with one seam replaced: the component's own code is unchanged and knows nothing of it."""

import sys
from collections.abc import Callable
from typing import Any, NoReturn
from unittest.mock import patch


def run_with(owner: object, name: str, replacement: Any, main: Callable[[], Any]) -> NoReturn:
    """Run a component's `main` while `owner.name` is something else, and end the process as `main` would.

    Raises AttributeError where the seam is gone: a defect that no longer breaks anything must not pass for one that was not noticed.
    """
    with patch.object(owner, name, replacement):
        sys.exit(main())
