"""What all configurations have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A configuration: immutable, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
