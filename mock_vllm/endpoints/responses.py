"""POST /v1/responses, GET /v1/responses/{id}, POST /v1/responses/{id}/cancel."""

import time
from dataclasses import dataclass
from functools import partial

import msgspec

from mock_vllm.answers.answer import Answer
from mock_vllm.answers.plan import Wish
from mock_vllm.app import App
from mock_vllm.endpoints.chat import check_chat, prompt_of, show_of
from mock_vllm.errors import ApiError
from mock_vllm.journal import Entry
from mock_vllm.model import Model
from mock_vllm.openai.assembly import chat_answer, wish
from mock_vllm.openai.generation import Prompt
from mock_vllm.openai.requests import ChatRequest
from mock_vllm.openai.sampling import check_sampling
from mock_vllm.openai.tools import tool_choice
from mock_vllm.openai.usage import RULES
from mock_vllm.responses.background import Detached, Follower, Job
from mock_vllm.responses.replies import ResponseStream, ResponseWhole
from mock_vllm.responses.requests import ResponsesRequest, chat_request, check_response
from mock_vllm.responses.response import response
from mock_vllm.responses.store import Store
from mock_vllm.routes import Route
from mock_vllm.tokens.template import render
from mock_vllm.wire.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Turn:
    """All that is decided about a response before it is generated; `name` is the model's as shown."""

    asked: ResponsesRequest
    request: ChatRequest
    model: Model
    name: str
    lora: str | None
    prompt: Prompt
    answer: Answer
    wanted: Wish

    @property
    def limit(self) -> int:
        """Tokens the answer may have at most: what is asked for, or what the context leaves."""
        return self.request.max_tokens or self.wanted.room


def read_turn(app: App, exchange: Exchange, store: Store) -> Turn:
    """The request's turn. Raises ApiError when it cannot be followed."""
    asked = app.decode(exchange, ResponsesRequest)
    check_response(asked)
    before = store.conversation(asked.previous_response_id) if asked.previous_response_id else []
    request = chat_request(asked, before)
    model, name, lora = app.find(request.model)
    app.generative(model)
    check_chat(request)
    choice = tool_choice(request, auto_allowed=model.settings.enable_auto_tool_choice)
    check_sampling(request, request.max_tokens)
    if not request.messages:
        raise ApiError("input must hold at least one item", param="input")
    rendered = render(request.messages, request.tools)
    tokens = rendered.count(model.tokenizer)
    model.check_context(tokens, request.max_tokens)
    wanted = wish(request, model, request.max_tokens, tokens)
    answer = chat_answer(model, request, choice, rendered.key(), rendered.contents[-1], wanted)
    return Turn(asked, request, model, name, lora, prompt_of(rendered, request, model, tokens), answer, wanted)


class Responses:
    """The endpoints; responses with `store` are kept for later turns, by the process that has answered."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._store = Store()

    def create(self, exchange: Exchange) -> None:
        """POST /v1/responses."""
        turn = read_turn(self._app, exchange, self._store)
        identity = turn.request.request_id or self._app.new_id("resp_", exchange)
        if turn.asked.background:
            self._in_background(exchange, turn, identity)
        else:
            self._begin(self._reply(exchange, turn, identity, stream=bool(turn.asked.stream)), turn)

    def _reply(self, exchange: Exchange, turn: Turn, identity: str, *, stream: bool) -> ResponseStream | ResponseWhole:
        model, created = turn.model, int(time.time())
        show = show_of(self._app, turn.request, model)
        reply: ResponseStream | ResponseWhole
        if stream:
            reply = ResponseStream(exchange, model, turn.name, identity, created, RULES[True, False], show)
        else:
            reply = ResponseWhole(exchange, model, turn.name, identity, created, show)
        reply.request, reply.limit = turn.asked, turn.limit
        reply.keep = lambda made: None
        if turn.asked.store is not False:
            reply.keep = partial(self._store.keep, messages=turn.request.messages)
        return reply

    @staticmethod
    def _begin(reply: ResponseStream | ResponseWhole, turn: Turn) -> None:
        salt = turn.request.cache_salt or ""
        reply.begin([turn.prompt], [[turn.answer]], turn.limit, seed=turn.wanted.seed, salt=salt, lora=turn.lora)

    def _in_background(self, exchange: Exchange, turn: Turn, identity: str) -> None:
        entry, streams = exchange.state, bool(turn.asked.stream)
        job = Job(entry, self._written, followed=streams)
        detached = Detached(job, exchange)
        reply = self._reply(detached, turn, identity, stream=True)
        assert isinstance(reply, ResponseStream)
        job.reply = reply
        queued = response(reply, turn.asked, "queued", turn.limit)
        self._begin(reply, turn)
        self._app.in_flight += 1
        exchange.state = exchange.fault = None  # the journal gets the entry when the generation has ended
        made = self._store.find(identity).made if job.done else queued
        self._store.keep(made, turn.request.messages, job)
        if streams:
            Follower(job, exchange, 0, job.delivered)
        else:
            exchange.reply(msgspec.json.encode(queued))

    def _written(self, entry: Entry) -> None:
        self._app.in_flight -= 1
        self._app.journal.add(entry)
        key = (entry.method, entry.path, entry.status)
        self._app.requests[key] = self._app.requests.get(key, 0) + 1

    def retrieve(self, exchange: Exchange) -> None:
        """GET /v1/responses/{id}; with `stream` the events behind `starting_after` of one in the background."""
        kept = self._store.find(exchange.params["response_id"])
        entry: Entry = exchange.state
        entry.model = kept.made["model"]
        if exchange.query.get("stream", "").lower() not in ("true", "1"):
            shown = kept.shown()
            if shown["usage"] is not None:
                entry.delivered_tokens, entry.usage_delivered = shown["usage"]["output_tokens"], True
            exchange.reply(msgspec.json.encode(shown))
            return
        after = exchange.query.get("starting_after", "-1")
        if not (after == "-1" or after.isdecimal()):
            raise ApiError(f"starting_after must be a sequence number, got {after!r}", param="starting_after")
        if kept.job is None:
            raise ApiError("Only a response in the background can be streamed later.", param="stream")
        entry.stream = True

        def told(tokens: int, usage: bool, left: bool) -> None:
            del left  # the server sees it by itself
            entry.delivered_tokens, entry.usage_delivered = tokens, usage

        Follower(kept.job, exchange, int(after) + 1, told)

    def cancel(self, exchange: Exchange) -> None:
        """POST /v1/responses/{id}/cancel."""
        kept = self._store.find(exchange.params["response_id"])
        if kept.job is None or kept.job.done:
            text = "Cannot cancel a synchronous response."
            raise ApiError(text, kind="invalid_request_error", param="response_id")
        kept.job.stop("cancelled")
        exchange.state.model = kept.made["model"]
        exchange.reply(msgspec.json.encode(kept.shown()))


def routes(app: App) -> list[Route]:
    """Responses."""
    family = Responses(app)
    return [
        Route("POST", "/v1/responses", family.create, body=ResponsesRequest),
        Route("GET", "/v1/responses/{response_id}", family.retrieve),
        Route("POST", "/v1/responses/{response_id}/cancel", family.cancel),
    ]
