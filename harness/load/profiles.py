"""Where load profiles are: beside the package in a checkout, inside it in a wheel, or a file that a person names."""

from pathlib import Path
from typing import Final

import harness
from harness.outcome import UsageFault

_PACKAGE: Final = Path(harness.__file__).parent
_PLACES: Final = (_PACKAGE.parent / "fixtures" / "load", _PACKAGE / "_data" / "fixtures" / "load")


def known_profiles() -> dict[str, Path]:
    """Names of the profiles that come with the harness, and their files."""
    return {path.stem: path for place in reversed(_PLACES) for path in sorted(place.glob("*.yaml"))}


def profile_path(name: str) -> Path:
    """The file of a profile: a known name, or a path. Raises UsageFault listing what there is."""
    known = known_profiles()
    if name in known:
        return known[name]
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return path
    raise UsageFault(
        f"no load profile is called {name!r}; there are: {', '.join(sorted(known)) or 'none'}, or name a file"
    )
