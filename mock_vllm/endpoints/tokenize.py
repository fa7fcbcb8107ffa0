"""POST /tokenize, POST /detokenize, GET /tokenizer_info."""

from dataclasses import dataclass

import msgspec

from mock_vllm.app import App
from mock_vllm.errors import ApiError
from mock_vllm.openai.requests import Message, Tool
from mock_vllm.routes import Route
from mock_vllm.tokens.template import render
from mock_vllm.tokens.tokenizer import Tokenizer
from mock_vllm.wire.exchange import Exchange


class TokenizeRequest(msgspec.Struct):
    """A text (`prompt`) or a conversation (`messages`) to be counted. The built-in tokenizer has no special tokens to add."""

    model: str | None = None
    prompt: str | None = None
    messages: list[Message] | None = None
    tools: list[Tool] | None = None
    add_special_tokens: bool = True
    add_generation_prompt: bool = True
    continue_final_message: bool = False
    return_token_strs: bool | None = False


class DetokenizeRequest(msgspec.Struct):
    """Token ids to be read."""

    tokens: list[int]
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens and text of an app's models."""

    app: App

    def tokenize(self, exchange: Exchange) -> None:
        """Count, and on request show, the tokens of a text or of a conversation as its template renders it."""
        request = self.app.decode(exchange, TokenizeRequest)
        model, name, _ = self.app.find(request.model)
        ids, pieces = encoded(request, model.tokenizer)
        exchange.state.model, exchange.state.prompt_tokens = name, len(ids)
        reply = {
            "count": len(ids),
            "max_model_len": model.settings.max_model_len,
            "tokens": ids,
            "token_strs": pieces if request.return_token_strs else None,
        }
        exchange.reply(msgspec.json.encode(reply))

    def detokenize(self, exchange: Exchange) -> None:
        """The text of token ids; 400 for an id that is none."""
        request = self.app.decode(exchange, DetokenizeRequest)
        model, name, _ = self.app.find(request.model)
        exchange.state.model = name
        try:
            text = model.tokenizer.decode(request.tokens)
        except (ValueError, OverflowError) as error:
            raise ApiError(str(error), param="tokens") from None
        exchange.reply(msgspec.json.encode({"prompt": text}))

    def information(self, exchange: Exchange) -> None:
        """What the base model's tokenizer is."""
        model = self.app.base
        information = {
            "tokenizer_class": type(model.tokenizer).__name__,
            "name": model.tokenizer.name,
            "vocab_size": model.tokenizer.vocabulary,
            "eos_token_id": model.tokenizer.eos,
            "model_max_length": model.settings.max_model_len,
        }
        exchange.reply(msgspec.json.encode(information))


def encoded(request: TokenizeRequest, tokenizer: Tokenizer) -> tuple[list[int], list[str]]:
    """Ids and their texts; of a prompt the texts only when they are asked for. Raises ApiError for a request of neither form."""
    if request.messages is not None:
        if request.continue_final_message and request.add_generation_prompt:
            raise ApiError("Cannot set both `continue_final_message` and `add_generation_prompt` to True.")
        rendered = render(request.messages, request.tools, open_end=request.add_generation_prompt)
        return rendered.ids(tokenizer), rendered.pieces(tokenizer)
    if request.prompt is not None:
        pieces = tokenizer.split(request.prompt) if request.return_token_strs else []
        return tokenizer.encode(request.prompt), pieces
    raise ApiError("Either prompt or messages must be provided.", param="prompt")


def routes(app: App) -> list[Route]:
    """Tokens and text."""
    tokens = Tokens(app)
    return [
        Route("POST", "/tokenize", tokens.tokenize, body=TokenizeRequest),
        Route("POST", "/detokenize", tokens.detokenize, body=DetokenizeRequest),
        Route("GET", "/tokenizer_info", tokens.information),
    ]
