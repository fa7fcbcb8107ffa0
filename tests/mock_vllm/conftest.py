"""Real server processes for contract tests, one per set of options and worker."""

from collections.abc import Callable, Iterator

import pytest

from tests.mock_vllm.running import Running, start


@pytest.fixture(scope="session")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Running]]:
    """Start servers by options; equal options share one process."""
    running: dict[tuple, Running] = {}
    directory = tmp_path_factory.mktemp("mock")

    def launcher(*options: str, private: bool = False, environment: dict[str, str] | None = None) -> Running:
        key = (options, tuple(sorted((environment or {}).items())), len(running) if private else None)
        if key not in running:
            running[key] = start(directory, *options, environment=environment)
        return running[key]

    yield launcher
    for server in running.values():
        server.api.close()
        server.admin.close()
        server.process.terminate()
    for server in running.values():
        server.process.communicate(timeout=60)


@pytest.fixture(scope="session")
def server(launch: Callable[..., Running]) -> Running:
    """A server with default options."""
    return launch()
