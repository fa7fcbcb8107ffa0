"""Tokenizers by name: the built-in one, Hugging Face's and OpenAI's files, or anybody's own."""

import functools
import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mock_vllm.tokens.builtin import BuiltinTokenizer
from mock_vllm.tokens.tokenizer import Tokenizer


@functools.cache
def load_tokenizer(name: str) -> Tokenizer:
    """The tokenizer `builtin`, `tokenizers:FILE`, `tiktoken:ENCODING` or `MODULE:FACTORY`. Raises ValueError with one sentence."""
    if name == "builtin":
        return BuiltinTokenizer()
    kind, _, rest = name.partition(":")
    if not rest:
        raise ValueError(
            f"option --tokenizer: expected builtin, tokenizers:FILE, tiktoken:ENCODING or MODULE:FACTORY, got {name!r}"
        )
    try:
        if kind == "tokenizers":
            return _hugging_face(rest)
        if kind == "tiktoken":
            return _tiktoken(rest)
        made: Tokenizer = getattr(importlib.import_module(kind), rest)()
        return made
    except (ImportError, AttributeError) as error:
        raise ValueError(f"option --tokenizer: {name!r} cannot be loaded: {error}") from None


class _Incremental:
    """What the two libraries share: text by prefix, so that a character spread over several tokens appears with the last of them."""

    name = ""
    vocabulary = 0
    eos = 0

    def encode(self, text: str) -> list[int]:
        """See `Tokenizer`."""
        raise NotImplementedError

    def decode(self, ids: Sequence[int]) -> str:
        """See `Tokenizer`."""
        raise NotImplementedError

    def count(self, text: str) -> int:
        """See `Tokenizer`."""
        return len(self.encode(text))

    def split(self, text: str) -> list[str]:
        """See `Tokenizer`."""
        return self.pieces(self.encode(text))

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """See `Tokenizer`."""
        found: list[str] = []
        pending: list[int] = []
        window: list[int] = []
        for number in ids:
            pending.append(number)
            before = self.decode(window)
            text = self.decode([*window, *pending])
            if text.endswith("\ufffd"):
                found.append("")
                continue
            found.append(text[len(before) :])
            window = [*window, *pending][-8:]
            pending = []
        if pending:
            found[-1] = self.decode([*window, *pending])[len(self.decode(window)) :]
        return found

    def special(self, text: str) -> int:
        """See `Tokenizer`."""
        del text
        return self.eos


def _hugging_face(file: str) -> Tokenizer:
    from tokenizers import Tokenizer as Fast

    if not Path(file).is_file():
        raise ValueError(f"option --tokenizer: the file {file} does not exist")

    class HuggingFace(_Incremental):
        """A tokenizer.json."""

        def __init__(self) -> None:
            self._fast: Any = Fast.from_file(file)
            self.name = f"tokenizers:{file}"
            self.vocabulary = int(self._fast.get_vocab_size(with_added_tokens=True))
            ends = [
                self._fast.token_to_id(one) for one in ("</s>", "<|endoftext|>", "<|im_end|>", "<eos>", "<|eot_id|>")
            ]
            self.eos = next((number for number in ends if number is not None), self.vocabulary - 1)

        def encode(self, text: str) -> list[int]:
            """See `Tokenizer`."""
            return list(self._fast.encode(text, add_special_tokens=False).ids)

        def decode(self, ids: Sequence[int]) -> str:
            """See `Tokenizer`."""
            return str(self._fast.decode(list(ids), skip_special_tokens=False))

    return HuggingFace()


def _tiktoken(encoding: str) -> Tokenizer:
    import tiktoken

    class TikToken(_Incremental):
        """An encoding that tiktoken knows (or a plug-in of it adds)."""

        def __init__(self) -> None:
            try:
                self._encoding: Any = tiktoken.get_encoding(encoding)
            except ValueError as error:
                raise ValueError(f"option --tokenizer: {error}") from None
            self.name = f"tiktoken:{encoding}"
            self.vocabulary = int(self._encoding.n_vocab)
            self.eos = int(self._encoding.eot_token)

        def encode(self, text: str) -> list[int]:
            """See `Tokenizer`."""
            return list(self._encoding.encode_ordinary(text))

        def decode(self, ids: Sequence[int]) -> str:
            """See `Tokenizer`."""
            return str(self._encoding.decode(list(ids)))

    return TikToken()
