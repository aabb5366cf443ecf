"""Second moments of the residual stream on calibration data, and the directions that hold most of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch

from nas.importance import CalibrationBatch
from nas.importance.base import Subject
from nas.importance.hooks import Hooks, eval_mode

#: Keeps a token of zeros at zero.
_TINY: Final = 1e-30


def second_moment(
    subject: Subject, batches: Sequence[CalibrationBatch], *, is_centred: bool = False
) -> torch.Tensor:
    """Mean of `x x^T` over real tokens at the inputs of all norms, each token scaled to a mean square of 1.

    Args:
        subject: the model.
        batches: calibration data.
        is_centred: subtract each token's mean over channels first, as layer norms do.

    Returns:
        `(hidden_size, hidden_size)` in float64, of trace `hidden_size`; one forward pass a batch.
    """
    size = subject.shape.hidden_size
    total, tokens = torch.zeros(size, size, dtype=torch.float64), torch.zeros((), dtype=torch.float64)

    def add(x: torch.Tensor, mask: torch.Tensor) -> None:
        rows = x[mask.bool()].double()
        if is_centred:
            rows = rows - rows.mean(dim=1, keepdim=True)
        rows = rows * rows.square().mean(dim=1, keepdim=True).clamp(min=_TINY).rsqrt()
        total.add_((rows.T @ rows).cpu())
        tokens.add_(len(rows))

    with eval_mode(subject.model), Hooks(subject) as hooks, torch.no_grad():
        for stack, norm in subject.family.norms_of(subject.model):
            hooks.on_input(norm, stack, add)
        for batch in batches:
            hooks.see(batch)
            subject.task.forward(subject.model, batch.inputs)
    return total / tokens


def principal_directions(moment: torch.Tensor) -> torch.Tensor:
    """Orthonormal eigenvectors of a symmetric matrix in columns, by falling eigenvalue; `(hidden, hidden)`.

    The largest entry of each is positive, so that equal matrices give equal directions.
    """
    directions: torch.Tensor = torch.linalg.eigh(moment).eigenvectors.flip(1)
    largest = directions.gather(0, directions.abs().argmax(dim=0, keepdim=True))
    return directions * largest.sign()


def centred_directions(moment: torch.Tensor) -> torch.Tensor:
    """What turns rows `x` into rows `x @ directions` that a layer norm reads alike; `(hidden, hidden)`.

    The mean over channels is removed, and the share of the j-th principal direction of what remains becomes
    the share of the j-th Helmert vector. The first `k` channels, less their mean, then are the projection
    on the first `k - 1` principal directions: Helmert vector `j` lies within them where `j < k`, and
    elsewhere is constant on them.
    """
    basis = helmert_vectors(len(moment)).to(moment)
    return basis.T @ principal_directions(basis @ moment @ basis.T) @ basis


def helmert_vectors(size: int) -> torch.Tensor:
    """Orthonormal vectors in rows that each sum to zero; `(size - 1, size)` in float64.

    Row `j`, from 1, is `(1, ..., 1, -j, 0, ..., 0) / sqrt(j (j + 1))` with `j` ones.

    Source: Lancaster 1965, The Helmert Matrices.
    """
    numbers = torch.arange(1, size, dtype=torch.float64)
    vectors = torch.ones(size - 1, size, dtype=torch.float64).tril()
    vectors.diagonal(1).copy_(-numbers)
    return vectors / (numbers * (numbers + 1)).sqrt().unsqueeze(1)
