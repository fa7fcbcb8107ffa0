"""The counts that a reply reports: the true ones, unless a fault was asked for."""

from mock_vllm.openai.generation import Generation
from mock_vllm.openai.usage import Usage


def reported(reply: Generation) -> Usage | None:
    """The counts to show; None when a fault leaves them out. For replies that are not written as vLLM's `usage` object."""
    fault = reply.fault
    if fault is not None and fault.kind == "missing_usage":
        return None
    found = reply.usage()
    if fault is not None and fault.kind == "wrong_usage":
        found.completion_tokens = max(found.completion_tokens + fault.offset, 0)
    return found
