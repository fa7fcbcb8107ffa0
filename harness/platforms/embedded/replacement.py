"""Components that another module replaces, checked before anything starts: the component exists, and the module is a program."""

from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

from harness.outcome import UsageFault
from harness.platforms.embedded.topology import COMPONENTS


def require_replaceable(replaced: Mapping[str, str]) -> None:
    """Raise UsageFault for a component that is none, or a module that is missing or no program; `replaced` maps names to modules.

    A module's packages are imported to find it, itself it is not: what it does when it runs is its own affair.
    """
    names = [component.name for component in COMPONENTS]
    for name, module in replaced.items():
        if name not in names:
            raise UsageFault(f"there is no component {name!r} to replace; the components are {', '.join(names)}")
        spec = _found(module)
        if spec is None:
            raise UsageFault(f"component.{name} names the module {module!r}, which does not exist")
        if spec.submodule_search_locations is not None:
            spec = _found(f"{module}.__main__")
        if spec is None or not spec.has_location or Path(spec.origin or "").suffix != ".py":
            raise UsageFault(
                f"component.{name} names the module {module!r}, which is no program: expected one that `python -m` runs, a .py file or a "
                "package with __main__.py"
            )


def _found(module: str) -> ModuleSpec | None:
    try:
        return find_spec(module)
    except (ImportError, ValueError):
        return None
