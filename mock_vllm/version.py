"""Which vLLM is imitated: the behaviours that differ between versions, by name."""

from dataclasses import dataclass
from typing import Final

REASONING_RENAMED: Final = (0, 12)
ERRORS_UNIFIED: Final = (0, 14)


@dataclass(frozen=True, slots=True)
class Version:
    """A vLLM version; `text` is what GET /version tells."""

    text: str
    number: tuple[int, ...]

    @property
    def reasoning_key(self) -> str:
        """The field that carries reasoning: `reasoning_content` was renamed to `reasoning`."""
        return "reasoning" if self.number >= REASONING_RENAMED else "reasoning_content"

    @property
    def unified_errors(self) -> bool:
        """Whether unknown paths and methods answer with vLLM's error object, not with `{"detail": ...}`."""
        return self.number >= ERRORS_UNIFIED

    @property
    def token_details(self) -> bool:
        """Whether usage has completion_tokens_details."""
        return self.number >= ERRORS_UNIFIED


def parse(text: str) -> Version:
    """A version from its text. Raises ValueError when it has no major and minor number."""
    parts = text.removeprefix("v").split(".")
    if len(parts) < 2 or not (parts[0].isdigit() and parts[1].isdigit()):
        raise ValueError(f"option --vllm-version: expected a version such as 0.32.0, got {text!r}")
    return Version(text.removeprefix("v"), (int(parts[0]), int(parts[1])))
