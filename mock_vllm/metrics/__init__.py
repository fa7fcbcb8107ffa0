"""vLLM's metrics with true values."""
