"""Structured outputs: the text that satisfies what a request asks for."""

import json
from typing import Any

from mock_vllm.errors import ApiError
from mock_vllm.openai.requests import Sampling
from mock_vllm.structured.draw import Draw
from mock_vllm.structured.pattern import Unsatisfiable, matching
from mock_vllm.structured.schema import instance


def constrained_text(request: Sampling, seed: int) -> str | None:
    """The text of a constrained answer; None when the answer is free. Raises ApiError when no text satisfies the constraint."""
    wanted = request.structured_outputs
    shape = request.response_format
    if wanted is None and (shape is None or shape.type == "text"):
        return None
    try:
        if wanted is not None and wanted.choice is not None:
            return Draw(seed).among(wanted.choice)
        if wanted is not None and wanted.regex is not None:
            return matching(wanted.regex, Draw(seed))
        schema = _schema(request)
        return None if schema is None else json.dumps(instance(schema, seed), ensure_ascii=False)
    except Unsatisfiable as error:
        raise ApiError(
            f"Failed to follow the structured outputs of this request: {error}", param="structured_outputs"
        ) from None


def _schema(request: Sampling) -> Any:
    wanted, shape = request.structured_outputs, request.response_format
    if wanted is not None and wanted.json is not None:
        try:
            return json.loads(wanted.json) if isinstance(wanted.json, str) else wanted.json
        except json.JSONDecodeError as error:
            raise Unsatisfiable(f"the schema is not JSON: {error}") from None
    if shape is not None and shape.type == "json_schema" and shape.json_schema is not None:
        return True if shape.json_schema.schema is None else shape.json_schema.schema
    if (shape is not None and shape.type == "json_object") or (wanted is not None and wanted.json_object):
        return {"type": "object", "minProperties": 1}
    return None
