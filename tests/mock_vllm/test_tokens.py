"""The built-in tokenizer keeps its stated rule, and answers are reproducible from the documentation."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_vllm.tokens.book import open_book, passage
from mock_vllm.tokens.builtin import VOCABULARY, BuiltinTokenizer, token_id, token_text

TOKENIZER = BuiltinTokenizer()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Hello, world", ["Hell", "o", ",", " worl", "d"]),
        ("", []),
        ("a  b", ["a", " ", " b"]),
        ("\n\nx", ["\n", "\n", "x"]),
        ("né 😀", ["n", "é", " 😀"]),
        ("foo_bar", ["foo_", "bar"]),
    ],
)
def test_the_rule_as_documented(text, tokens):
    assert TOKENIZER.split(text) == tokens
    assert TOKENIZER.count(text) == len(tokens)


@given(st.text())
def test_every_text_comes_back_from_its_ids(text):
    ids = TOKENIZER.encode(text)
    assert TOKENIZER.decode(ids) == text
    assert all(0 <= number < VOCABULARY < 2**32 for number in ids)


@given(st.integers(min_value=0, max_value=VOCABULARY - 1))
def test_every_id_of_a_word_or_character_has_one_text(number):
    text = token_text(number)
    if text and number >= 256 and TOKENIZER.count(text) == 1:
        assert token_id(text) == number


def test_an_id_outside_the_vocabulary_is_refused():
    with pytest.raises(ValueError, match="outside the vocabulary"):
        token_text(VOCABULARY)


@given(st.integers(0, 8191), st.integers(0, 9000))
def test_a_passage_has_exactly_its_tokens(start, length):
    found = passage(open_book(TOKENIZER), start, length)
    assert TOKENIZER.split(found.text) == found.pieces
    assert len(found.pieces) == len(found.encoded) == length


def test_an_answer_can_be_computed_from_the_documentation(server):
    body = {"prompt": "Say it", "max_tokens": 9, "seed": 5}
    text = server.api.post("/v1/completions", json=body).json()["choices"][0]["text"]
    book = open_book(TOKENIZER)
    start = (zlib.crc32(b"Say it") + 5 * 7919) % 8192
    assert text == "".join(book.pieces[start : start + 9])
