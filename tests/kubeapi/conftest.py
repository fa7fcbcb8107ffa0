"""What several modules of this room's tests stand on."""

from collections.abc import Iterator

import pytest

from tests.kubeapi.webhook_controller import Controller, listening


@pytest.fixture
def controller() -> Iterator[Controller]:
    """A webhook server whose answers the test decides."""
    with listening() as found:
        yield found
