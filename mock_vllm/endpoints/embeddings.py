"""POST /v1/embeddings, POST /pooling: vectors of texts. They need a pooling model (`--runner pooling`, or a name that says so)."""

import base64
import time
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from mock_vllm.app import App
from mock_vllm.endpoints.completions import read_prompts
from mock_vllm.errors import ApiError
from mock_vllm.model import Model
from mock_vllm.openai.generation import Prompt
from mock_vllm.pooling.vectors import Vector, embed, packed
from mock_vllm.routes import Route
from mock_vllm.wire.exchange import Exchange


class EmbeddingRequest(msgspec.Struct):
    """Body of both endpoints; `input` is a text, token ids, or a list of either."""

    input: str | list[str | int | list[int]]
    model: str | None = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    user: str | None = None


def pooled_usage(tokens: int) -> dict[str, Any]:
    """The usage of a reply without generated tokens."""
    return {"prompt_tokens": tokens, "total_tokens": tokens, "completion_tokens": 0, "prompt_tokens_details": None}


def begin(app: App, exchange: Exchange, asked: str | None, what: str) -> tuple[Model, str]:
    """The pooling model that is asked for. Raises ApiError when it is not served or generates text."""
    model, name, _ = app.find(asked)
    if not model.pooling:
        raise ApiError(f"The model does not support {what} API")
    exchange.state.model = name
    return model, name


def count(exchange: Exchange, prompts: list[Prompt], model: Model) -> int:
    """Prompt tokens of all texts, journalled. Raises ApiError when one is longer than the context."""
    for prompt in prompts:
        if prompt.tokens > model.settings.max_model_len:
            raise ApiError(
                f"This model's maximum context length is {model.settings.max_model_len} tokens. However, your request has "
                f"{prompt.tokens} input tokens. Please reduce the length of the input messages.",
                param="input",
            )
    tokens = sum(prompt.tokens for prompt in prompts)
    exchange.state.prompt_tokens, exchange.state.usage_delivered = tokens, True
    return tokens


def routes(app: App) -> list[Route]:
    """Embeddings and pooled outputs."""

    def answer(exchange: Exchange, what: str, prefix: str, kind: str, field: str) -> None:
        request = app.decode(exchange, EmbeddingRequest)
        model, name = begin(app, exchange, request.model, what)
        full = model.settings.default_embedding_dimensions
        if request.dimensions is not None and request.dimensions > full:
            raise ApiError(f"dimensions must be at most {full}, got {request.dimensions}.", param="dimensions")
        prompts = read_prompts(model, request.input, pieces=True)
        tokens = count(exchange, prompts, model)
        vectors = [embed(prompt.pieces, request.dimensions or full) for prompt in prompts]
        data = [
            {"index": i, "object": kind, field: _shown(one, request.encoding_format)} for i, one in enumerate(vectors)
        ]
        identity = app.new_id(prefix, exchange)
        reply = {"id": identity, "object": "list", "created": int(time.time()), "model": name, "data": data}
        body = msgspec.json.encode(reply | {"usage": pooled_usage(tokens)})
        if exchange.fault is not None and exchange.fault.kind in ("close", "stall"):
            exchange.state.usage_delivered = False
            kept = exchange.fault.kind == "stall"
            exchange.cut(body[: len(body) // 2], len(body), reset=exchange.fault.reset, hold=kept)
        else:
            exchange.reply(body)

    def embeddings(exchange: Exchange) -> None:
        answer(exchange, "Embeddings", "embd-", "embedding", "embedding")

    def pooling(exchange: Exchange) -> None:
        answer(exchange, "Pooling", "pool-", "pooling", "data")

    return [
        Route("POST", "/v1/embeddings", embeddings, body=EmbeddingRequest),
        Route("POST", "/pooling", pooling, body=EmbeddingRequest),
    ]


def _shown(vector: Vector, encoding: str) -> Any:
    return base64.b64encode(packed(vector)).decode() if encoding == "base64" else vector
