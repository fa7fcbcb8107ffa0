"""POST /v1/messages and /v1/messages/count_tokens: the Anthropic API, served by the same models."""

import time
from collections.abc import Callable

import msgspec

from mock_vllm.anthropic.replies import MessageStream, MessageWhole
from mock_vllm.anthropic.requests import CountRequest, MessagesRequest, chat_request, messages_of, tools_of
from mock_vllm.app import App
from mock_vllm.endpoints.chat import prompt_of, show_of
from mock_vllm.errors import ApiError
from mock_vllm.openai.assembly import chat_answer, wish
from mock_vllm.openai.sampling import check_sampling
from mock_vllm.openai.tools import tool_choice
from mock_vllm.openai.usage import RULES
from mock_vllm.routes import Route
from mock_vllm.tokens.template import render
from mock_vllm.wire.exchange import Exchange


def anthropic_errors(handler: Callable[[Exchange], None]) -> Callable[[Exchange], None]:
    """The handler with refusals in Anthropic's shape."""

    def wrapped(exchange: Exchange) -> None:
        try:
            handler(exchange)
        except ApiError as error:
            body = {"type": "error", "error": {"type": error.kind, "message": error.message}}
            exchange.reply(msgspec.json.encode(body), error.status)

    return wrapped


def routes(app: App) -> list[Route]:
    """Messages."""

    def messages(exchange: Exchange) -> None:
        asked = app.decode(exchange, MessagesRequest)
        request = chat_request(asked)
        model, name, lora = app.find(request.model)
        app.generative(model)
        choice = tool_choice(request, auto_allowed=model.settings.enable_auto_tool_choice)
        check_sampling(request, request.max_tokens)
        if not request.messages:
            raise ApiError("messages: at least one message is required", param="messages")
        rendered = render(request.messages, request.tools)
        tokens = rendered.count(model.tokenizer)
        model.check_context(tokens, request.max_tokens)
        wanted = wish(request, model, request.max_tokens, tokens)
        answer = chat_answer(model, request, choice, rendered.key(), rendered.contents[-1], wanted)
        identity = app.new_id("msg_", exchange)
        show, created = show_of(app, request, model), int(time.time())
        reply: MessageStream | MessageWhole
        if request.stream:
            reply = MessageStream(exchange, model, name, identity, created, RULES[True, False], show)
        else:
            reply = MessageWhole(exchange, model, name, identity, created, show)
        prompt = prompt_of(rendered, request, model, tokens)
        reply.begin([prompt], [[answer]], request.max_tokens, seed=wanted.seed, lora=lora)

    def count_tokens(exchange: Exchange) -> None:
        request = app.decode(exchange, CountRequest)
        model, name, _ = app.find(request.model)
        tokens = render(messages_of(request), tools_of(request)).count(model.tokenizer)
        exchange.state.model, exchange.state.prompt_tokens = name, tokens
        exchange.reply(
            msgspec.json.encode({"input_tokens": tokens, "context_management": {"original_input_tokens": tokens}})
        )

    return [
        Route("POST", "/v1/messages", anthropic_errors(messages), body=MessagesRequest),
        Route("POST", "/v1/messages/count_tokens", anthropic_errors(count_tokens), body=CountRequest),
    ]
