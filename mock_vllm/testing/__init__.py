"""The mock in tests: `with MockVLLM("model") as server: ...`, or the pytest fixture `mock_vllm_server`."""

from mock_vllm.testing.running import MockVLLM

__all__ = ["MockVLLM"]
