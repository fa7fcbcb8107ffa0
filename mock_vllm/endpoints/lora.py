"""LoRA adapters: POST /v1/load_lora_adapter, /v1/unload_lora_adapter, and the slots that running adapters take."""

from collections import Counter

import msgspec

from mock_vllm.app import App
from mock_vllm.engine.engine import Engine
from mock_vllm.engine.sequence import Sequence
from mock_vllm.errors import ApiError
from mock_vllm.metrics.exposition import label_text
from mock_vllm.routes import Route
from mock_vllm.wire.exchange import Exchange


class Module(msgspec.Struct):
    """An adapter as --lora-modules gives it."""

    name: str
    path: str
    base_model_name: str | None = None


class AdapterRequest(msgspec.Struct):
    """Body of both endpoints."""

    lora_name: str = ""
    lora_path: str = ""
    load_inplace: bool = False


class Slots:
    """At most `most` different adapters run at once; a sequence whose adapter has no place waits."""

    def __init__(self, most: int, engine: Engine) -> None:
        self.most = most
        self.running: Counter[str] = Counter()
        self._engine = engine

    def admit(self, sequence: Sequence) -> bool:
        """See `Gate`."""
        name = sequence.lora
        if name is None:
            return True
        if name not in self.running and len(self.running) >= self.most:
            return False
        self.running[name] += 1
        return True

    def leave(self, sequence: Sequence) -> None:
        """See `Gate`."""
        if sequence.lora is None:
            return
        self.running[sequence.lora] -= 1
        if not self.running[sequence.lora]:
            del self.running[sequence.lora]

    def line(self) -> tuple[str, str, float]:
        """vllm:lora_requests_info."""
        waiting = {sequence.lora for sequence in self._engine.queued() if sequence.lora is not None}
        labels = label_text(
            max_lora=self.most,
            running_lora_adapters=",".join(sorted(self.running)),
            waiting_lora_adapters=",".join(sorted(waiting)),
        )
        return "vllm:lora_requests_info", labels, 1.0


def parse_module(text: str) -> Module:
    """An adapter from `NAME=PATH` or JSON. Raises ValueError with one sentence."""
    if text.lstrip().startswith("{"):
        try:
            return msgspec.json.decode(text, type=Module)
        except msgspec.MsgspecError as error:
            raise ValueError(f"option --lora-modules: {error}, got {text!r}") from None
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise ValueError(f'option --lora-modules: expected NAME=PATH or {{"name", "path"}}, got {text!r}')
    return Module(name, path)


def routes(app: App) -> list[Route]:
    """Adapters, where --enable-lora allows them."""
    settings = app.settings
    for module in [parse_module(text) for text in settings.lora_modules]:
        app.adapters[module.name] = (module.base_model_name or app.base.names[0], module.path)
        app.find(app.adapters[module.name][0])
    if not (settings.enable_lora or settings.lora_modules):
        return []
    for model in app.models:
        for engine in model.engines:
            slots = Slots(settings.max_loras, engine)
            engine.gates.append(slots)
            app.gauges.append(lambda slots=slots: [slots.line()])  # type: ignore[misc]  # mypy cannot infer a lambda with a default

    def load(exchange: Exchange) -> None:
        request = app.decode(exchange, AdapterRequest)
        if not request.lora_name or not request.lora_path:
            raise ApiError("Both 'lora_name' and 'lora_path' must be provided.", kind="InvalidUserInput")
        known = request.lora_name in app.adapters
        if (known and not request.load_inplace) or request.lora_name in [
            name for model in app.models for name in model.names
        ]:
            raise ApiError(f"The lora adapter '{request.lora_name}' has already been loaded.", kind="InvalidUserInput")
        app.adapters[request.lora_name] = (app.base.names[0], request.lora_path)
        exchange.reply(
            f"Success: LoRA adapter '{request.lora_name}' added successfully.".encode(),
            content_type=b"text/plain; charset=utf-8",
        )

    def unload(exchange: Exchange) -> None:
        request = app.decode(exchange, AdapterRequest)
        if not request.lora_name:
            raise ApiError("'lora_name' needs to be provided to unload a LoRA adapter.", kind="InvalidUserInput")
        if app.adapters.pop(request.lora_name, None) is None:
            raise ApiError(f"The lora adapter '{request.lora_name}' cannot be found.", 404)
        exchange.reply(
            f"Success: LoRA adapter '{request.lora_name}' removed successfully.".encode(),
            content_type=b"text/plain; charset=utf-8",
        )

    return [
        Route("POST", "/v1/load_lora_adapter", load, body=AdapterRequest),
        Route("POST", "/v1/unload_lora_adapter", unload, body=AdapterRequest),
    ]
