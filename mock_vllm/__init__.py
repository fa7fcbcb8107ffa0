"""A deterministic stand-in for a vLLM OpenAI server, on CPU, usable alone."""
