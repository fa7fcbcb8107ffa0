"""Where templates, schemas and measured costs lie: `reports/` beside the package in a checkout, inside it in a wheel."""

from pathlib import Path

import harness
from harness.outcome import HarnessFault


def report_data(name: str) -> Path:
    """The file `reports/NAME`. Raises HarnessFault when the installation lacks it."""
    package = Path(harness.__file__).resolve().parent
    candidates = (package / "_data" / "reports" / name, package.parent / "reports" / name)
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise HarnessFault(f"the installation is incomplete: neither {candidates[0]} nor {candidates[1]} exists")
