"""The hook by which a folder of checks says that it is one."""

import pytest


@pytest.hookspec(firstresult=True)
def pytest_maas_checks(config: pytest.Config) -> bool | None:
    """Return True from the conftest.py of a folder of checks.

    A platform takes seconds to start and test workers need it before they collect, so the session must know beforehand
    whether it will judge one. Sessions in which nobody answers stay as they are.
    """
