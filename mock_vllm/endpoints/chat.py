"""POST /v1/chat/completions."""

import time

from mock_vllm.answers.plan import plain_answer
from mock_vllm.app import App
from mock_vllm.openai.chat import ChatStream, ChatWhole
from mock_vllm.openai.requests import ChatRequest
from mock_vllm.openai.usage import usage_rule
from mock_vllm.routes import Route
from mock_vllm.tokens.template import content_text, count_chat
from mock_vllm.wire.exchange import Exchange


def routes(app: App) -> list[Route]:
    """Chat completions."""
    settings = app.settings

    def chat(exchange: Exchange) -> None:
        request = app.decode(exchange, ChatRequest)
        rule = usage_rule(request.stream_options, bool(request.stream), settings.enable_force_include_usage)
        model = app.model_name(request.model)
        contents = [content_text(message.content) for message in request.messages]
        prompt_tokens = count_chat(app.tokenizer, contents)
        limit = request.max_completion_tokens or request.max_tokens
        app.check_context(prompt_tokens, limit)
        seed = settings.seed if request.seed is None else request.seed
        prompt = "\0".join(contents).encode("utf-8", "surrogatepass")
        answers = [
            plain_answer(app.book, prompt, seed + choice, limit, settings.answer_tokens) for choice in range(request.n)
        ]
        identity = app.new_id("chatcmpl-", exchange)
        created = int(time.time())
        if request.stream:
            ChatStream(app, exchange, model, identity, created, rule).begin([prompt_tokens], [answers], limit)
        else:
            ChatWhole(app, exchange, model, identity, created).begin([prompt_tokens], [answers], limit)

    return [Route("POST", "/v1/chat/completions", chat)]
