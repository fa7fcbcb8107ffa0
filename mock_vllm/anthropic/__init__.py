"""Requests and replies of the Anthropic Messages endpoints, in the shapes of vLLM."""
