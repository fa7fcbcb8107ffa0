"""The express lane: plain chat requests to a server without delays, answered in one go.

It understands exactly what `Plain` lists; every other request, and every refusal, takes the general path (`endpoints/chat.py`), which
gives the same bytes for the requests that both understand. The lane is worth its code: it makes such a request about five times cheaper.
"""

import zlib
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from mock_vllm.app import App
from mock_vllm.engine.engine import Engine
from mock_vllm.metrics.engine_metrics import EngineMetrics
from mock_vllm.model import Model
from mock_vllm.openai.stream import DONE, END, SEGMENT
from mock_vllm.openai.usage import StreamOptions
from mock_vllm.tokens.book import SEED_STRIDE
from mock_vllm.tokens.builtin import count_ascii
from mock_vllm.wire.exchange import Exchange

encode = msgspec.json.encode
REMEMBERED: Final = 2048
REMEMBERED_BYTES: Final = 4096


class PlainMessage(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A message that is text."""

    role: str
    content: str


class Plain(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """A chat request without anything that shapes its answer but its length and its seed."""

    messages: Annotated[list[PlainMessage], Meta(min_length=1)]
    model: str | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    temperature: Annotated[float, Meta(ge=0)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    n: Literal[1] = 1
    user: str | None = None


class Plan(msgspec.Struct, gc=False):
    """All of a reply but its id and its time: the same body gets the same tokens, so it is worked out once.

    `tail` is what follows the time in a whole reply, and the usage object's inside in a stream.
    """

    engine: Engine
    metrics: EngineMetrics
    shown: str
    prompt: int
    length: int
    limit: int
    reason: str
    stream: bool = False
    usage_delivered: bool = True
    tail: bytes = b""
    name: bytes = b""
    encoded: list[bytes] = []


class Express:
    """The lane of one application. It remembers the plans of recent bodies."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._decode = msgspec.json.Decoder(Plain).decode
        self._plans: dict[bytes, Plan] = {}
        self._seen = [0] * REMEMBERED
        self._forced = app.settings.enable_force_include_usage
        self._models: dict[str | None, tuple[Model, bytes]] = {}
        for model in app.models:
            settings = model.settings
            one_engine = len(model.engines) == 1 and model.tokenizer.name == "builtin"
            if one_engine and not settings.reasoning_parser and not model.pooling and settings.stream_interval == 1:
                self._models |= {name: (model, encode(name)) for name in model.names}
        if app.base.names[0] in self._models:
            self._models[None] = self._models[app.base.names[0]]

    def answer(self, exchange: Exchange) -> bool:
        """Answer the request, or leave it as it is and return False."""
        headers = exchange.headers
        if headers.get(b"content-type") != b"application/json" or b"x-data-parallel-rank" in headers:
            return False
        body = exchange.body
        plan = self._plans.get(body)
        if plan is None:
            plan = self._plan(body)
            if plan is None:
                return False
            self._remember(body, plan)
        if not plan.engine.idle:
            return False
        entry = exchange.state
        entry.model = plan.shown
        entry.prompt_tokens = plan.prompt
        entry.completion_tokens = entry.delivered_tokens = plan.length
        entry.finish_reason = plan.reason
        entry.stream = plan.stream
        entry.usage_delivered = plan.usage_delivered
        took = self._app.clock.now() - exchange.arrived
        plan.metrics.observe_instant(plan.prompt, plan.length, plan.limit, plan.reason, took)
        identity = self._app.new_id_json(b"chatcmpl-", exchange)
        if plan.stream:
            exchange.start(_events(plan, identity, int(entry.arrived_at)), end=True)
        else:
            start = b'{"id":%b,"object":"chat.completion","created":%d%b'
            exchange.reply(start % (identity, entry.arrived_at, plan.tail))
        return True

    def _remember(self, body: bytes, plan: Plan) -> None:
        """Keep the plan of a body that was seen before: most bodies that come once never come again."""
        mark = hash(body)
        place = mark % REMEMBERED
        if self._seen[place] != mark:
            self._seen[place] = mark
        elif len(body) <= REMEMBERED_BYTES:
            if len(self._plans) >= REMEMBERED:
                self._plans.clear()
            self._plans[body] = plan

    def _plan(self, body: bytes) -> "Plan | None":
        """What answers a body; None when it is not for this lane."""
        request = self._read(body)
        found = None if request is None else self._models.get(request.model)
        if request is None or found is None:
            return None
        model, name = found
        content = "\n".join([message.content for message in request.messages])
        if not content.isascii():
            return None
        key = content.encode()
        # a newline between messages is a token that no message has; two marks belong to a message and one to the end
        prompt = count_ascii(key) + len(request.messages) + 2
        limit = request.max_tokens if request.max_completion_tokens is None else request.max_completion_tokens
        room = model.settings.max_model_len - prompt
        length, reason = self._length(model, limit, room)
        book = model.book
        seed = model.settings.seed if request.seed is None else request.seed
        page = (zlib.crc32(key) + seed * SEED_STRIDE) % len(book.pieces)
        end = page + length
        if length < 1 or length > room or length > SEGMENT or end > len(book.pieces):
            return None
        options = request.stream_options
        usage = b'"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":%d' % (prompt, prompt + length, length)
        plan = Plan(
            model.engines[0], model.metrics[0], request.model or model.names[0], prompt, length, limit or room, reason
        )
        if request.stream:
            plan.stream = True
            plan.usage_delivered = self._forced or (options is not None and bool(options.include_usage))
            plan.encoded, plan.name, plan.tail = book.encoded[page:end], name, usage if plan.usage_delivered else b""
            return plan
        text = book.json[book.json_offsets[page] : book.json_offsets[end]]
        plan.tail = (
            b',"model":%b,"choices":[{"index":0,"message":{"role":"assistant","content":"%b","refusal":null,"annotations":null,'
            b'"audio":null,"function_call":null,"tool_calls":[],"%b":null},"logprobs":null,"finish_reason":"%b","stop_reason":null,'
            b'"token_ids":null}],"service_tier":null,"system_fingerprint":null,"usage":{%b,"prompt_tokens_details":null},'
            b'"prompt_logprobs":null,"prompt_token_ids":null,"kv_transfer_params":null}'
            % (name, text, self._app.reasoning_key, reason.encode(), usage)
        )
        return plan

    def _read(self, body: bytes) -> Plain | None:
        """The request, when it is one for this lane."""
        try:
            request = self._decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        options = request.stream_options
        return None if options is not None and (not request.stream or options.continuous_usage_stats) else request

    @staticmethod
    def _length(model: Model, limit: int | None, room: int) -> tuple[int, str]:
        """The same as `Wish.length` for a request without min_tokens and ignore_eos."""
        if limit is not None and model.settings.ignore_natural_end:
            return limit, "length"
        most = room if limit is None else limit
        natural = model.settings.answer_tokens
        return (natural, "stop") if natural < most else (most, "length")


def _events(plan: Plan, identity: bytes, created: int) -> bytes:
    """A whole stream."""
    head = b'data: {"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,"choices":['
    head %= (identity, created, plan.name)
    before = head + b'{"index":0,"delta":{"content":'
    close = b'},"logprobs":null,"finish_reason":null,"token_ids":null}' + END
    return b"".join(
        (
            head,
            b'{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"prompt_token_ids":null}\n\n',
            before,
            (close + before).join(plan.encoded),
            b'},"logprobs":null,"finish_reason":"%b","stop_reason":null,"token_ids":null}' % plan.reason.encode(),
            END,
            b'%b],"usage":{%b}}\n\n' % (head, plan.tail) if plan.tail else b"",
            DONE,
        )
    )
