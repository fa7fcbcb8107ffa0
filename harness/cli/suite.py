"""The packaged suite, read without judging anything: what `plan` and `explain` speak of."""

import contextlib
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import harness
from harness.engine.events import CheckPlanned
from harness.outcome import HarnessFault

AUTOLOAD_OFF: Final = "PYTEST_DISABLE_PLUGIN_AUTOLOAD"
_PACKAGE: Final = Path(harness.__file__).parent


@dataclass(frozen=True, slots=True)
class Suite:
    """Every check of the suite with what it proves, and those that the selection chose, in the order in which they would run."""

    proofs: dict[str, tuple[str, ...]]
    plan: tuple[CheckPlanned, ...]
    docstrings: dict[str, str]


def scenarios() -> Path:
    """The folder of checks: beside the package in a checkout, inside it in a wheel. Raises HarnessFault when neither exists."""
    for root in (_PACKAGE / "_data", _PACKAGE.parent):
        if (root / "scenarios").is_dir():
            return root / "scenarios"
    raise HarnessFault(
        f"this installation carries no scenarios (looked beside and inside {_PACKAGE}): install it again"
    )


def base_arguments() -> list[str]:
    """Pytest's arguments for the packaged suite: nothing of the person's working directory configures it."""
    folder = scenarios()
    return [
        str(folder),
        *("--rootdir", str(folder.parent), "-c", os.devnull, "-p", "no:cacheprovider"),
        *("--strict-markers", "--import-mode=importlib", "--continue-on-collection-errors"),
        *("-p", "xdist.plugin", "-p", "harness.engine.plugin"),
    ]


@contextlib.contextmanager
def without_strangers() -> Iterator[None]:
    """Keep plugins out that happen to be installed here: they must not change a verdict, nor may they cost every worker's start.

    For the length of the block alone: what this process starts later is none of the suite's.
    """
    before = os.environ.get(AUTOLOAD_OFF)
    os.environ[AUTOLOAD_OFF] = "1"
    try:
        yield
    finally:
        del os.environ[AUTOLOAD_OFF]
        if before is not None:
            os.environ[AUTOLOAD_OFF] = before


def collect(*selection: str) -> Suite:
    """Collect the suite with these further pytest arguments, quietly. Raises HarnessFault with pytest's words when it cannot be read."""
    import pytest

    keeper, said = _Keeper(), io.StringIO()
    with without_strangers(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = pytest.main([*base_arguments(), "--collect-only", "-q", *selection], plugins=[keeper])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED) or keeper.selection is None:
        raise HarnessFault(f"the suite cannot be collected:\n{said.getvalue().strip()}")
    docstrings = {item.nodeid: _docstring(item) for item in keeper.items}
    return Suite(dict(keeper.selection.proofs), tuple(keeper.selection.plan), docstrings)


class _Keeper:
    """Takes the selection and the items out of the session."""

    def __init__(self) -> None:
        self.selection: Any = None
        self.items: Sequence[Any] = ()

    def pytest_collection_finish(self, session: Any) -> None:
        """Everything has been collected and selected."""
        self.selection = session.config.pluginmanager.get_plugin("maas-selection")
        self.items = session.items


def _docstring(item: Any) -> str:
    import inspect

    return inspect.getdoc(getattr(item, "function", None)) or ""
