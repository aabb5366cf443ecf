"""Whisper: a pre-norm encoder over recorded speech with a text decoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import nn

from nas.families.bart import BartFamily
from nas.families.family import Weight


class WhisperFamily(BartFamily):
    """Whisper: two convolutions, then mBART's blocks."""

    model_types: ClassVar[tuple[str, ...]] = ("whisper",)
    stream = (
        "it begins behind the activation function of a convolution, which works channel by channel, so that "
        "no rotation goes through it"
    )
    weights: ClassVar[Mapping[str, Weight]] = {
        # The first convolution sees two frames for each one that the second leaves.
        r"encoder\.conv1\.weight": Weight(("hidden", "fixed", "fixed"), tokens="source", repeats=2),
        r"encoder\.conv2\.weight": Weight(("hidden", "hidden", "fixed"), tokens="source"),
        r"encoder\.conv[12]\.bias": Weight(("hidden",)),
        r"(encoder\.embed_positions|decoder\.embed_(tokens|positions))\.weight": Weight(("fixed", "hidden")),
        r"(encoder|decoder)\.layer_norm\.(weight|bias)": Weight(("hidden",)),
        r"proj_out\.weight": Weight(("fixed", "hidden"), tokens="all"),
    }
    norms = ("encoder.layer_norm", "decoder.layer_norm")

    def facts(self, config: Any) -> Mapping[str, Any]:
        """Recordings are padded to one length."""
        return {"source_length": int(config.max_source_positions)}

    def refit(self, model: nn.Module, full_size: int, hidden_size: int) -> None:
        """Whisper reads its embedding scale nowhere."""
        del model, full_size, hidden_size
