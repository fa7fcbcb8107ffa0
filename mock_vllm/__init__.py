"""A deterministic stand-in for a vLLM OpenAI server, on CPU, usable alone.

How it is built: `wire/` turns bytes into an `Exchange` and knows nothing of models. `App.handle` (`app.py`) looks up
the route, checks the key, opens the journal entry and calls the handler, a plain function `handler(exchange) -> None`
that answers with `exchange.reply`, or with `start`, `write` and `finish`, now or later. To add an endpoint family,
put one module into `endpoints/` that offers `routes(app) -> list[Route]`: it is found by being there, and no other
file changes. A handler reads its body with `app.decode(exchange, Struct)`, resolves the model with `app.model_name`,
refuses by raising `ApiError` (`errors.py`), and generates tokens with a subclass of `openai.generation.Whole` (one
JSON reply) or `openai.stream.Stream` (server-sent events), whose `begin` takes prompt lengths and `Answer`s, submits
them to the engine and keeps slots, metrics, aborts and the journal entry right. `exchange.state` is the journal
`Entry`: a handler without tokens only has to set `entry.model`.
"""
