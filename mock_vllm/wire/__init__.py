"""HTTP/1.1 on asyncio: bytes in, an `Exchange` out. Knows nothing of models, tokens or vLLM."""
