"""What all configurations have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

#: Of an option, a name, a sentence.
LONGEST_TEXT = 20_000


class Frozen(BaseModel):
    """A configuration: immutable, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_max_length=LONGEST_TEXT)
