"""POST /v1/completions."""

import time

from mock_vllm.answers.probabilities import Probabilities
from mock_vllm.app import App
from mock_vllm.errors import ApiError, invalid
from mock_vllm.model import Model
from mock_vllm.openai.assembly import completion_answer, echoed, wish
from mock_vllm.openai.completion import CompletionStream, CompletionWhole
from mock_vllm.openai.generation import PLAIN, Prompt, Show
from mock_vllm.openai.requests import CompletionRequest
from mock_vllm.openai.sampling import check_logprobs_limit, check_sampling
from mock_vllm.openai.usage import usage_rule
from mock_vllm.routes import Route
from mock_vllm.wire.exchange import Exchange


def read_prompts(model: Model, prompt: str | list[str | int | list[int]] | None, *, pieces: bool) -> list[Prompt]:
    """The prompts of a request: a text, token ids, or a list of either. Raises ApiError for ids out of range and for mixed shapes."""
    if isinstance(prompt, str) and prompt:
        return [_text(model, prompt, pieces)]
    if not prompt:
        raise invalid("Either prompt or prompt_embeds must be provided and non-empty.", None)
    ids = [item for item in prompt if isinstance(item, int)]
    if ids and len(ids) == len(prompt):
        return [_ids(model, ids)]
    if ids or len({type(item) for item in prompt}) > 1:
        raise ApiError("prompt must be a text, token ids, or a list of one of these kinds", param="prompt")
    return [
        _text(model, item, pieces) if isinstance(item, str) else _ids(model, item)
        for item in prompt
        if not isinstance(item, int)
    ]


def _text(model: Model, text: str, pieces: bool) -> Prompt:
    if pieces:
        split = model.tokenizer.split(text)
        return Prompt(len(split), text, split)
    return Prompt(model.tokenizer.count(text), text, [])


def _ids(model: Model, ids: list[int]) -> Prompt:
    if not ids:
        raise ApiError("The decoder prompt cannot be empty", param="prompt")
    wrong = [number for number in ids if not 0 <= number < model.tokenizer.vocabulary]
    if wrong:
        raise ApiError(f"Token id {max(wrong)} is out of vocabulary", param="prompt")
    pieces = model.tokenizer.pieces(ids)
    return Prompt(len(ids), "".join(pieces), pieces, ids)


def check_completion(request: CompletionRequest) -> None:
    """Raises ApiError for what vLLM refuses in a completion request."""
    if request.suffix is not None:
        raise ApiError("suffix is not currently supported")
    if request.logprobs is not None:
        if request.logprobs < 0:
            raise invalid("`logprobs` must be a positive value.", "logprobs", request.logprobs)
        check_logprobs_limit("sample", request.logprobs, "logprobs")
    if request.best_of is not None and request.best_of < (request.n or 1):
        raise ApiError(
            f"best_of must be greater than or equal to n, got n={request.n} and best_of={request.best_of}.",
            param="best_of",
        )
    check_sampling(request, request.max_tokens, zero_allowed=request.echo)


def routes(app: App) -> list[Route]:
    """Text completions."""
    forced = app.settings.enable_force_include_usage

    def completions(exchange: Exchange) -> None:
        request = app.decode(exchange, CompletionRequest)
        rule = usage_rule(request.stream_options, bool(request.stream), forced)
        model, name, lora = app.find(request.model)
        app.generative(model)
        check_completion(request)
        detailed = request.echo or request.logprobs is not None or request.prompt_logprobs is not None
        prompts = read_prompts(model, request.prompt, pieces=detailed)
        if len(prompts) * (request.n or 1) > app.settings.max_num_seqs * 16:
            raise ApiError(
                f"Too many sequences in one request: {len(prompts)} prompts with n={request.n}", param="prompt"
            )
        for prompt in prompts:
            model.check_context(prompt.tokens, request.max_tokens)
        # like vLLM: an echo of nothing but the prompt still computes one token, which is counted and not shown
        limit = 1 if request.max_tokens == 0 else request.max_tokens
        answers = []
        for prompt in prompts:
            key = prompt.text.encode("utf-8", "surrogatepass")
            asked = [wish(request, model, limit, prompt.tokens, number) for number in range(request.n or 1)]
            made = [completion_answer(model, request, key, one) for one in asked]
            answers.append(
                [echoed(one, prompt.text, alone=request.max_tokens == 0) for one in made] if request.echo else made
            )
        seed = model.settings.seed if request.seed is None else request.seed
        show = _show(request, model, seed)
        identity = app.new_id("cmpl-", exchange, request.request_id)
        created = int(time.time())
        reply: CompletionStream | CompletionWhole
        if request.stream:
            reply = CompletionStream(exchange, model, name, identity, created, rule, show)
        else:
            reply = CompletionWhole(exchange, model, name, identity, created, show)
            if request.prompt_logprobs is not None:
                source = show.probabilities or Probabilities(model.book, model.tokenizer, seed)
                reply.prompt_logprobs = [source.prompt(prompt.pieces, request.prompt_logprobs) for prompt in prompts]
        reply.echo, reply.prompt_only = request.echo, request.max_tokens == 0
        reply.begin(prompts, answers, limit, seed=seed, salt=request.cache_salt or "", lora=lora)

    return [Route("POST", "/v1/completions", completions, body=CompletionRequest)]


def _show(request: CompletionRequest, model: Model, seed: int) -> Show:
    interval = max(request.stream_interval or 1, model.settings.stream_interval)
    if request.logprobs is None and not request.return_token_ids and interval == 1:
        return PLAIN
    return Show(
        logprobs=request.logprobs,
        token_ids=bool(request.return_token_ids),
        probabilities=Probabilities(model.book, model.tokenizer, seed, as_ids=bool(request.return_tokens_as_token_ids)),
        interval=interval,
    )
