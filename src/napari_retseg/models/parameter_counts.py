"""How many parameters the parts of a network have, so that no torch is needed to tell."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from napari_retseg.config import Frozen, Strategy

_Count = Annotated[int, Field(ge=0, le=2**40)]


class ParameterCounts(Frozen):
    """Number of parameters of each part of a network.

    :func:`napari_retseg.nets.freeze.count_parts` makes it of the network itself.
    """

    encoder_stages: Annotated[tuple[_Count, ...], Field(max_length=64)] = Field(
        description="of each encoder stage, shallow first"
    )
    decoder: _Count = Field(description="of all that is neither encoder, output nor auxiliary head")
    before_output: _Count = Field(
        description="of these, in the two convolutions before the output layer, with their "
        "normalisation"
    )
    output_per_class: _Count = Field(description="of the output layer, for each output")
    auxiliary: _Count = Field(0, description="of the auxiliary head without its output layer")
    auxiliary_per_class: _Count = Field(
        0, description="of the auxiliary head's output layer, for each output"
    )

    @model_validator(mode="after")
    def _check_sum(self) -> ParameterCounts:
        if self.before_output > sum(self.encoder_stages) + self.decoder:
            raise ValueError("before_output is more than encoder and decoder have")
        return self

    def count(self, strategy: Strategy, *, n_outputs: int, auxiliary: bool) -> tuple[int, int]:
        """Count the parameters that a strategy trains, and those that it freezes.

        Parameters
        ----------
        n_outputs
            Channels of the output layer: classes with background, or their parts.
        auxiliary
            Whether the auxiliary head is there.

        Raises
        ------
        UsageError
            Where there are fewer encoder stages than are to be frozen.
        """
        output, extra = n_outputs * self.output_per_class, 0
        total = sum(self.encoder_stages) + self.decoder + output
        if auxiliary:
            extra = n_outputs * self.auxiliary_per_class
            total += self.auxiliary + extra
        if strategy.kind == "head":
            trained = output + extra
        elif strategy.kind == "last-three":
            trained = self.before_output + output
        else:
            n_frozen = strategy.count_frozen(len(self.encoder_stages))
            trained = total - sum(self.encoder_stages[:n_frozen])
        return trained, total - trained
