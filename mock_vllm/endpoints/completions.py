"""POST /v1/completions."""

import time

from mock_vllm.answers.plan import plain_answer
from mock_vllm.app import App
from mock_vllm.errors import ApiError
from mock_vllm.openai.completion import CompletionStream, CompletionWhole
from mock_vllm.openai.requests import CompletionRequest
from mock_vllm.openai.usage import usage_rule
from mock_vllm.routes import Route
from mock_vllm.wire.exchange import Exchange


def _prompts(app: App, prompt: str | list[str | int | list[int]]) -> list[tuple[int, bytes]]:
    """Tokens and bytes of every prompt of a request: a text, token ids, or a list of either.

    Raises ApiError for ids out of range and for a list that mixes shapes.
    """
    if isinstance(prompt, str):
        return [(app.tokenizer.count(prompt), prompt.encode("utf-8", "surrogatepass"))]
    ids = [item for item in prompt if isinstance(item, int)]
    if ids and len(ids) == len(prompt):
        return [_ids(app, ids)]
    if ids or len({type(item) for item in prompt}) > 1:
        raise ApiError("prompt must be a text, token ids, or a list of one of these kinds", param="prompt")
    if not prompt:
        raise ApiError("Please provide at least one prompt", param="prompt")
    found = []
    for item in prompt:
        if isinstance(item, str):
            found.append((app.tokenizer.count(item), item.encode("utf-8", "surrogatepass")))
        elif isinstance(item, list):
            found.append(_ids(app, item))
    return found


def _ids(app: App, ids: list[int]) -> tuple[int, bytes]:
    try:
        return len(ids), app.tokenizer.decode(ids).encode("utf-8", "surrogatepass")
    except ValueError as error:
        raise ApiError(str(error), param="prompt") from None


def routes(app: App) -> list[Route]:
    """Text completions."""
    settings = app.settings

    def completions(exchange: Exchange) -> None:
        request = app.decode(exchange, CompletionRequest)
        rule = usage_rule(request.stream_options, bool(request.stream), settings.enable_force_include_usage)
        model = app.model_name(request.model)
        prompts = _prompts(app, request.prompt)
        for count, _ in prompts:
            app.check_context(count, request.max_tokens)
        seed = settings.seed if request.seed is None else request.seed
        answers = [
            [
                plain_answer(app.book, text, seed + choice, request.max_tokens, settings.answer_tokens)
                for choice in range(request.n)
            ]
            for _, text in prompts
        ]
        counts = [count for count, _ in prompts]
        identity = app.new_id("cmpl-", exchange)
        created = int(time.time())
        if request.stream:
            CompletionStream(app, exchange, model, identity, created, rule).begin(counts, answers, request.max_tokens)
        else:
            CompletionWhole(app, exchange, model, identity, created).begin(counts, answers, request.max_tokens)

    return [Route("POST", "/v1/completions", completions)]
