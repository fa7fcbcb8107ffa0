"""Where stop strings and stop tokens end an answer, and which text may be shown before that is known."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stopped:
    """`pieces` is the visible text per generated token; `reason` what ended the answer, None when nothing did."""

    pieces: list[str]
    reason: int | str | None


def apply_stops(
    tokens: Sequence[str],
    ids: Sequence[int],
    stops: Sequence[str],
    stop_ids: Collection[int],
    *,
    include: bool,
    min_tokens: int,
) -> Stopped:
    """Generate `tokens` until one of them completes a stop string or is a stop token, neither before `min_tokens` tokens.

    A stop string is looked for in the text of the tokens behind `min_tokens` together with what precedes them, as vLLM does; text that
    could be the beginning of one is held back until the next tokens decide. `include` shows the stop string or token too.
    """
    held = 0 if include or not stops else max(map(len, stops)) - 1
    text, shown = "", 0
    pieces: list[str] = []
    free = 0  # length of the text in which stop strings do not count
    for position, token in enumerate(tokens):
        text += token
        if position < min_tokens:
            free = len(text)
        elif ids and ids[position] in stop_ids:
            visible = text if include else text[: len(text) - len(token)]
            pieces.append(visible[shown:])
            return Stopped(pieces, ids[position])
        else:
            ended = _find(text, stops, max(free, len(text) - len(token)))
            if ended is not None:
                stop, at = ended
                visible = text[: at + len(stop)] if include else text[:at]
                pieces.append(visible[shown:])
                return Stopped(pieces, stop)
        upto = max(shown, len(text) - held)
        pieces.append(text[shown:upto])
        shown = upto
    if pieces and shown < len(text):
        pieces[-1] += text[shown:]
    return Stopped(pieces, None)


def _find(text: str, stops: Sequence[str], begin: int) -> tuple[str, int] | None:
    """The first stop string, in the order given, that ends behind `begin`."""
    for stop in stops:
        at = text.find(stop, max(begin - len(stop) + 1, 0))
        if at >= 0:
            return stop, at
    return None
