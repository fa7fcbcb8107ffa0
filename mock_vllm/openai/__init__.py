"""Requests and replies of the OpenAI endpoints, in the shapes of vLLM."""
