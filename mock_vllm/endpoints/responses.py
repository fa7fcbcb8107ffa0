"""POST /v1/responses, GET /v1/responses/{id}, POST /v1/responses/{id}/cancel."""

import time
from collections import OrderedDict
from typing import Any, Final

import msgspec

from mock_vllm.app import App
from mock_vllm.endpoints.chat import prompt_of, show_of
from mock_vllm.errors import ApiError
from mock_vllm.openai.assembly import chat_answer, wish
from mock_vllm.openai.requests import ChatRequest, Message
from mock_vllm.openai.sampling import check_sampling
from mock_vllm.openai.tools import tool_choice
from mock_vllm.openai.usage import RULES
from mock_vllm.responses.replies import ResponseStream, ResponseWhole
from mock_vllm.responses.requests import ResponsesRequest, chat_request, items_to_messages
from mock_vllm.routes import Route
from mock_vllm.tokens.template import render
from mock_vllm.wire.exchange import Exchange

KEPT: Final = 1000


class Store:
    """The last responses, and the conversations that led to them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[dict[str, Any], list[Message]]] = OrderedDict()

    def keep(self, made: dict[str, Any], messages: list[Message]) -> None:
        """Remember a response; the oldest gives way."""
        self._kept[made["id"]] = (made, messages)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def get(self, identity: str) -> dict[str, Any]:
        """A response. Raises ApiError when it is not kept."""
        return self._find(identity)[0]

    def conversation(self, identity: str) -> list[Message]:
        """What was said up to and with a response. Raises ApiError when it is not kept."""
        made, messages = self._find(identity)
        return [*messages, *items_to_messages(made["output"])]

    def _find(self, identity: str) -> tuple[dict[str, Any], list[Message]]:
        found = self._kept.get(identity)
        if found is None:
            raise ApiError(f"Response with id '{identity}' not found.", 404, param="response_id")
        return found


def routes(app: App) -> list[Route]:
    """Responses; those with `store` are kept for later turns."""
    store = Store()

    def responses(exchange: Exchange) -> None:
        asked = app.decode(exchange, ResponsesRequest)
        before = store.conversation(asked.previous_response_id) if asked.previous_response_id else []
        request = chat_request(asked, [message for message in before if message.role != "system"])
        model, name, lora = app.find(request.model)
        app.generative(model)
        choice = tool_choice(request, auto_allowed=model.settings.enable_auto_tool_choice)
        check_sampling(request, request.max_tokens)
        if not request.messages:
            raise ApiError("input must hold at least one item", param="input")
        rendered = render(request.messages, request.tools)
        tokens = rendered.count(model.tokenizer)
        model.check_context(tokens, request.max_tokens)
        wanted = wish(request, model, request.max_tokens, tokens)
        answer = chat_answer(model, request, choice, rendered.key(), rendered.contents[-1], wanted)
        identity, created = app.new_id("resp_", exchange), int(time.time())
        show = show_of(app, request, model)
        reply: ResponseStream | ResponseWhole
        if request.stream:
            reply = ResponseStream(exchange, model, name, identity, created, RULES[True, False], show)
        else:
            reply = ResponseWhole(exchange, model, name, identity, created, show)
        reply.request = asked
        reply.keep = keeper(asked, request)
        prompt = prompt_of(rendered, request, model, tokens)
        reply.begin([prompt], [[answer]], request.max_tokens or wanted.room, seed=wanted.seed, lora=lora)

    def keeper(asked: ResponsesRequest, request: ChatRequest) -> Any:
        return (lambda made: store.keep(made, request.messages)) if asked.store is not False else (lambda made: None)

    def retrieve(exchange: Exchange) -> None:
        exchange.reply(msgspec.json.encode(store.get(exchange.params["response_id"])))

    def cancel(exchange: Exchange) -> None:
        store.get(exchange.params["response_id"])
        raise ApiError("Cannot cancel a synchronous response.", param="response_id")

    return [
        Route("POST", "/v1/responses", responses, body=ResponsesRequest),
        Route("GET", "/v1/responses/{response_id}", retrieve),
        Route("POST", "/v1/responses/{response_id}/cancel", cancel),
    ]
