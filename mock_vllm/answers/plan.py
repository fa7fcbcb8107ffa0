"""Which passage of the book answers a prompt, how long it is and why it ends."""

from mock_vllm.answers.answer import Answer
from mock_vllm.tokens.book import Book, passage, start_page


def plain_answer(book: Book, prompt: bytes, seed: int, max_tokens: int | None, natural: int) -> Answer:
    """The answer to `prompt`: exactly `max_tokens` tokens when given (finish_reason length), otherwise `natural` (stop)."""
    length, reason = (natural, "stop") if max_tokens is None else (max_tokens, "length")
    found = passage(book, start_page(book, prompt, seed), length)
    return Answer(found.text, found.pieces, found.encoded, reason)
