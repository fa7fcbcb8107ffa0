"""pytest: `mock_vllm_server` is a factory of servers that end with the test session.

def test_it(mock_vllm_server):
    server = mock_vllm_server("my-model", max_num_seqs=2)
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="x")
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mock_vllm.testing.running import MockVLLM


@pytest.fixture(scope="session")
def mock_vllm_server() -> Iterator[Callable[..., MockVLLM]]:
    """Start servers; calls with equal arguments get the same one."""
    running: dict[str, MockVLLM] = {}

    def start(model: str = "mock-model", **options: Any) -> MockVLLM:
        key = repr((model, sorted(options.items())))
        if key not in running:
            running[key] = MockVLLM(model, **options).start()
        return running[key]

    yield start
    for server in running.values():
        server.stop()
