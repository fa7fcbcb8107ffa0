"""POST /v1/chat/completions."""

import time

from mock_vllm.answers.probabilities import Probabilities
from mock_vllm.app import App
from mock_vllm.errors import ApiError, invalid
from mock_vllm.model import Model
from mock_vllm.openai.assembly import chat_answer, wish
from mock_vllm.openai.chat import ChatStream, ChatWhole
from mock_vllm.openai.express import Express
from mock_vllm.openai.generation import PLAIN, Prompt, Show
from mock_vllm.openai.requests import ChatRequest
from mock_vllm.openai.sampling import check_logprobs_limit, check_sampling
from mock_vllm.openai.tools import tool_choice
from mock_vllm.openai.usage import usage_rule
from mock_vllm.routes import Route
from mock_vllm.tokens.template import Rendered, render
from mock_vllm.wire.exchange import Exchange


def check_chat(request: ChatRequest) -> None:
    """Raises ApiError for what vLLM's validators of a chat request refuse."""
    top = request.top_logprobs
    if top:
        if top < 0 and top != -1:
            raise invalid("`top_logprobs` must be a positive value or -1.", "top_logprobs", top)
        if not request.logprobs:
            raise invalid("when using `top_logprobs`, `logprobs` must be set to true.", "top_logprobs")
        check_logprobs_limit("sample", top, "logprobs")
    if request.continue_final_message and request.add_generation_prompt:
        raise invalid("Cannot set both `continue_final_message` and `add_generation_prompt` to True.", None)


def show_of(app: App, request: ChatRequest, model: Model) -> Show:
    """What the reply shows beside text."""
    interval = max(request.stream_interval or 1, model.settings.stream_interval)
    if not (request.logprobs or request.return_token_ids or model.settings.reasoning_parser or interval > 1):
        return PLAIN
    seed = model.settings.seed if request.seed is None else request.seed
    as_ids = bool(request.return_tokens_as_token_ids)
    return Show(
        logprobs=max(request.top_logprobs or 0, 0) if request.logprobs else None,
        token_ids=bool(request.return_token_ids),
        reasoning=request.include_reasoning,
        reasoning_key=app.version.reasoning_key,
        probabilities=Probabilities(model.book, model.tokenizer, seed, as_ids=as_ids),
        interval=interval,
    )


def prompt_of(rendered: Rendered, request: ChatRequest, model: Model, tokens: int) -> Prompt:
    """The prompt as the engine needs it; its text only where something reads it."""
    cached = model.engines[0].cache is not None
    if not (cached or request.return_token_ids or request.prompt_logprobs):
        return Prompt(tokens, "", [])
    return Prompt(tokens, rendered.text(), rendered.pieces(model.tokenizer), rendered.ids(model.tokenizer))


def routes(app: App) -> list[Route]:
    """Chat completions."""
    forced = app.settings.enable_force_include_usage

    express = Express(app)

    def chat(exchange: Exchange) -> None:
        if exchange.fault is None and express.answer(exchange):
            return
        request = app.decode(exchange, ChatRequest)
        rule = usage_rule(request.stream_options, bool(request.stream), forced)
        model, name, lora = app.find(request.model)
        app.generative(model)
        check_chat(request)
        choice = tool_choice(request, auto_allowed=model.settings.enable_auto_tool_choice)
        limit = request.max_tokens if request.max_completion_tokens is None else request.max_completion_tokens
        check_sampling(request, limit)
        if not request.messages:
            raise ApiError("Conversation cannot be empty: at least one message is needed", param="messages")
        rendered = render(request.messages, request.tools, open_end=request.add_generation_prompt)
        tokens = rendered.count(model.tokenizer)
        model.check_context(tokens, limit)
        key = rendered.key()
        last = rendered.contents[-1]
        asked = [wish(request, model, limit, tokens, number) for number in range(request.n or 1)]
        answers = [chat_answer(model, request, choice, key, last, one) for one in asked]
        show = show_of(app, request, model)
        prompt = prompt_of(rendered, request, model, tokens)
        identity = app.new_id("chatcmpl-", exchange, request.request_id)
        created = int(time.time())
        reply: ChatStream | ChatWhole
        if request.stream:
            reply = ChatStream(exchange, model, name, identity, created, rule, show)
        else:
            reply = ChatWhole(exchange, model, name, identity, created, show)
            if request.prompt_logprobs is not None:
                source = show.probabilities or Probabilities(model.book, model.tokenizer, asked[0].seed)
                reply.prompt_logprobs = source.prompt(prompt.pieces, request.prompt_logprobs)
        reply.begin(
            [prompt], [answers], limit or asked[0].room, seed=asked[0].seed, salt=request.cache_salt or "", lora=lora
        )

    return [Route("POST", "/v1/chat/completions", chat, body=ChatRequest)]
