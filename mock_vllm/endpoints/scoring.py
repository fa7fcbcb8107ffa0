"""POST /score, /rerank, /classify: how close texts are. They need a pooling model."""

import time
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from mock_vllm.app import App
from mock_vllm.endpoints.completions import read_prompts
from mock_vllm.endpoints.embeddings import begin, count, pooled_usage
from mock_vllm.errors import ApiError
from mock_vllm.model import Model
from mock_vllm.openai.generation import Prompt
from mock_vllm.pooling.vectors import cosine, embed
from mock_vllm.routes import Route
from mock_vllm.wire.exchange import Exchange

LABELS: Final = ("LABEL_0", "LABEL_1")


class ScoreRequest(msgspec.Struct):
    """One text against many, or as many against as many."""

    text_1: str | list[str]
    text_2: str | list[str]
    model: str | None = None


class RerankRequest(msgspec.Struct):
    """Documents to be ordered by their closeness to a query; `top_n` 0 keeps all."""

    query: str
    documents: list[str | dict[str, Any]]
    model: str | None = None
    top_n: Annotated[int, Meta(ge=0)] = 0


class ClassifyRequest(msgspec.Struct):
    """Texts to be given a label."""

    input: str | list[str]
    model: str | None = None


def _prompts(model: Model, texts: list[str]) -> list[Prompt]:
    return [
        Prompt(len(pieces), text, pieces) for text, pieces in ((text, model.tokenizer.split(text)) for text in texts)
    ]


def _text(document: str | dict[str, Any]) -> str:
    """The text of a document. Raises ApiError when it has none."""
    text = document if isinstance(document, str) else document.get("text")
    if not isinstance(text, str):
        raise ApiError("a document must be a text or an object with a text", param="documents")
    return text


class _Scoring:
    """The operations on one server; each answers one exchange or raises ApiError."""

    def __init__(self, app: App) -> None:
        self._app = app

    def score(self, exchange: Exchange) -> None:
        """One text against many, or pairs."""
        request = self._app.decode(exchange, ScoreRequest)
        model, name = begin(self._app, exchange, request.model, "Score")
        ones = [request.text_1] if isinstance(request.text_1, str) else request.text_1
        others = [request.text_2] if isinstance(request.text_2, str) else request.text_2
        if not ones or not others or len(ones) not in (1, len(others)):
            raise ApiError("Input lengths must be either 1:1, 1:N or N:N", param="text_1")
        found, tokens = _closeness(model, exchange, ones, others)
        data = [{"index": index, "object": "score", "score": value} for index, value in enumerate(found)]
        self._reply("score-", exchange, name, data, tokens)

    def rerank(self, exchange: Exchange) -> None:
        """Documents in the order of their closeness to the query."""
        request = self._app.decode(exchange, RerankRequest)
        model, name = begin(self._app, exchange, request.model, "Rerank (Score)")
        texts = [_text(document) for document in request.documents]
        if not texts:
            raise ApiError("documents must not be empty", param="documents")
        found, tokens = _closeness(model, exchange, [request.query], texts)
        order = sorted(range(len(texts)), key=lambda index: (-found[index], index))[: request.top_n or None]
        results = [
            {"index": i, "document": {"text": texts[i], "multi_modal": None}, "relevance_score": found[i]}
            for i in order
        ]
        reply = {
            "id": self._app.new_id("rerank-", exchange),
            "model": name,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            "results": results,
        }
        exchange.reply(msgspec.json.encode(reply))

    def classify(self, exchange: Exchange) -> None:
        """A label for each text."""
        request = self._app.decode(exchange, ClassifyRequest)
        model, name = begin(self._app, exchange, request.model, "Classification")
        prompts = read_prompts(
            model, request.input if isinstance(request.input, str) else list(request.input), pieces=True
        )
        tokens = count(exchange, prompts, model)
        data = [_classified(index, prompt) for index, prompt in enumerate(prompts)]
        self._reply("classify-", exchange, name, data, tokens)

    def _reply(self, prefix: str, exchange: Exchange, name: str, data: list[dict[str, Any]], tokens: int) -> None:
        identity = self._app.new_id(prefix, exchange)
        reply = {"id": identity, "object": "list", "created": int(time.time()), "model": name, "data": data}
        exchange.reply(msgspec.json.encode(reply | {"usage": pooled_usage(tokens)}))


def _closeness(model: Model, exchange: Exchange, ones: list[str], others: list[str]) -> tuple[list[float], int]:
    """The cosine of each pair, and the tokens of all texts."""
    first, second = _prompts(model, ones), _prompts(model, others)
    tokens = count(exchange, first + second, model)
    size = model.settings.default_embedding_dimensions
    pairs = zip(first * (len(second) if len(first) == 1 else 1), second, strict=True)
    return [cosine(embed(one.pieces, size), embed(other.pieces, size)) for one, other in pairs], tokens


def _classified(index: int, prompt: Prompt) -> dict[str, Any]:
    first = (1.0 + embed(prompt.pieces, 8)[0]) / 2
    probabilities = [first, 1.0 - first]
    label = LABELS[probabilities.index(max(probabilities))]
    return {"index": index, "label": label, "probs": probabilities, "num_classes": len(LABELS)}


def routes(app: App) -> list[Route]:
    """Scores, ranks and classes."""
    scoring = _Scoring(app)
    return [
        *(Route("POST", path, scoring.score, body=ScoreRequest) for path in ("/score", "/v1/score")),
        *(Route("POST", path, scoring.rerank, body=RerankRequest) for path in ("/rerank", "/v1/rerank", "/v2/rerank")),
        Route("POST", "/classify", scoring.classify, body=ClassifyRequest),
    ]
