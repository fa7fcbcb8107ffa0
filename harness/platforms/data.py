"""Where worlds, CRDs and profiles lie: beside the package in a checkout, inside it in an installed wheel."""

from pathlib import Path

import harness
from harness.outcome import HarnessFault


def data_folder(name: str) -> Path:
    """The folder `fixtures/NAME`, from a checkout or from a wheel. Raises HarnessFault when neither has it."""
    package = Path(harness.__file__).resolve().parent
    candidates = (package.parent / "fixtures" / name, package / "_data" / "fixtures" / name)
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise HarnessFault(f"the installation is incomplete: neither {candidates[0]} nor {candidates[1]} exists")
