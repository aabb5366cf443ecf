"""What writes and reads the residual stream between norms: what a rotation of the stream needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

#: Why the stream of an architecture cannot be rotated.
POST_NORM: Final = (
    "it is post-norm: the residual stream itself passes through norms, whose weights scale single channels, "
    "so that no rotation goes through them"
)
EMBEDDING_NORM: Final = (
    "a norm of the embeddings begins it, whose weights scale single channels of the stream, so that no "
    "rotation goes through them"
)
UNDESCRIBED: Final = "its family does not describe what reads its norms"


@dataclass(frozen=True, kw_only=True)
class ResidualStream:
    """Writers and readers of the residual streams of a pre-norm model.

    Every other weight of a block with a dimension of hidden channels writes the stream.

    Attributes:
        embeddings: pattern of the weights that begin a stream, by whole names without the base prefix.
        readers: for each stack the linear modules of a block that read each of its norms, by path below the
            block; those that a model lacks do no harm.
        outer_readers: pattern of the linear weights that read each norm outside the blocks, by the norm's
            path below the base model.
        norm_offset: what a norm adds to its weight before it multiplies.
        has_layer_norms: whether the norms subtract the mean over channels, as RMS norms do not.
        scales: for each stack the modules of a block whose output a weight scales channel by channel before
            it is added, by that weight's path below the block.
    """

    embeddings: str
    readers: Sequence[Mapping[str, tuple[str, ...]]]
    outer_readers: Mapping[str, str]
    norm_offset: float = 0.0
    has_layer_norms: bool = False
    scales: Sequence[Mapping[str, tuple[str, ...]]] = ()
