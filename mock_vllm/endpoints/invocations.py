"""POST /invocations: the SageMaker entry point, which sends a body to the endpoint it was written for."""

import msgspec

from mock_vllm.app import App
from mock_vllm.errors import ApiError
from mock_vllm.routes import Route
from mock_vllm.wire.exchange import Exchange

# a body belongs to the first endpoint whose field it has, in vLLM's order
FIELDS = {"messages": "/v1/chat/completions", "prompt": "/v1/completions", "input": "/v1/embeddings"}


def routes(app: App) -> list[Route]:
    """One entry for chat, completions and embeddings."""

    def invocations(exchange: Exchange) -> None:
        try:
            body = msgspec.json.decode(exchange.body, type=dict[str, msgspec.Raw])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ApiError(f"JSON decode error: {error}") from None
        for field, path in FIELDS.items():
            route = app.routes.fixed.get(path, {}).get("POST")
            if field in body and route is not None:
                route.handler(exchange)
                return
        raise ApiError("Cannot find suitable handler for request. Expected one of: " + ", ".join(FIELDS), param="body")

    return [Route("POST", "/invocations", invocations)]
