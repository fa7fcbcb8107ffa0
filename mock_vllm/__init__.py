"""A deterministic stand-in for a vLLM OpenAI server, on CPU, usable alone.

How it is built: `wire/` turns bytes into an `Exchange` and knows nothing of models. `App.handle` (`app.py`) looks up
the route, checks the key, opens the journal entry, asks for a fault and calls the handler, a plain function
`handler(exchange) -> None` that answers with `exchange.reply`, or with `start`, `write` and `finish`, now or later.
To add an endpoint family, put one module into `endpoints/` that offers `routes(app) -> list[Route]`: it is found by
being there, and no other file changes. A handler reads its body with `app.decode(exchange, Struct)`, resolves the
model with `app.find(name)` (model, shown name, LoRA adapter), refuses by raising `ApiError` (`errors.py`), and
generates tokens with a subclass of `openai.generation.Whole` (one JSON reply) or `openai.stream.Stream` (server-sent
events), whose `begin` takes `Prompt`s and `Answer`s, submits them to the engine and keeps slots, metrics, aborts,
faults and the journal entry right; `openai.assembly.chat_answer` makes the answers. `exchange.state` is the journal
`Entry`: a handler without tokens only sets `entry.model` and `entry.prompt_tokens`. State that outlives a request is
set up inside `routes(app)`: adapters in `app.adapters`, slot conditions in `engine.gates`, KV events in
`engine.cache.listeners`, further metrics in `app.gauges`, work to begin and end with the server in `app.on_start` and
`app.on_stop`. Options are fields of `settings.Settings`.
"""
