"""What both sides of `benchmarks.whittle_strategies` agree on; imports neither library.

A byte-level decoder of 4 blocks in the style of Llama, with as many key-value heads as heads, which is what
whittle's parameter counts and search spaces support.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import load_file

STRATEGIES: Final = ("random", "sandwich")
HEAD_DIM: Final = 16
VOCABULARY: Final = 256
BLOCK: Final = 128
BATCH: Final = 16
NORM_EPSILON: Final = 1e-6
ROPE_BASE: Final = 10_000.0
LEARNING_RATE: Final = 3e-3
WEIGHT_DECAY: Final = 0.01
WARMUP: Final = 0.1
MAX_GRADIENT_NORM: Final = 1.0
#: Batches that rank units; ranked rows train `RANKING_PASSES` passes less.
CALIBRATION_BATCHES: Final = 8
RANKING_PASSES: Final = 3 * CALIBRATION_BATCHES
_TENSORS: Final = "case.safetensors"
_FACTS: Final = "case.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """A sub-network with the same heads and neurons in every block."""

    layers: int
    heads: int
    ffn: int
    hidden: int


FULL: Final = Sizes(layers=4, heads=4, ffn=192, hidden=64)
SMALLEST: Final = Sizes(layers=1, heads=1, ffn=12, hidden=32)
#: Between both ends, from large to small.
LADDER: Final = (
    Sizes(layers=4, heads=4, ffn=144, hidden=56),
    Sizes(layers=4, heads=3, ffn=144, hidden=48),
    Sizes(layers=3, heads=3, ffn=96, hidden=48),
    Sizes(layers=3, heads=2, ffn=96, hidden=40),
    Sizes(layers=2, heads=2, ffn=48, hidden=40),
)
#: Legal values; every combination may be sampled.
CHOICES: Final = {
    "layers": tuple(range(1, FULL.layers + 1)),
    "heads": tuple(range(1, FULL.heads + 1)),
    "ffn": tuple(range(12, FULL.ffn + 1, 12)),
    "hidden": tuple(range(32, FULL.hidden + 1, 8)),
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is trained on what, and scored on which sub-networks.

    Attributes:
        tensors: `train` and `validation` blocks `(blocks, BLOCK)`; `logits` of the starting network on the
            first `BATCH` validation blocks; its weights by transformers' name after `weight.`; and for each
            seed `order.SEED`, the blocks of each step `(steps, BATCH)`.
        evaluated: the full network, the ladder, the smallest one, then random ones.
        fractions: their parameters as shares of the full network's, `(evaluated,)`, counted exactly.
    """

    passes: int
    evaluated: tuple[Sizes, ...]
    fractions: tuple[float, ...]
    tensors: dict[str, torch.Tensor]


def evaluated_sizes(num_random: int) -> tuple[Sizes, ...]:
    """The fixed set of sub-networks."""
    generator = np.random.default_rng(0)
    drawn = (
        Sizes(**{name: int(generator.choice(values)) for name, values in CHOICES.items()})
        for _ in range(num_random)
    )
    return (FULL, *LADDER, SMALLEST, *drawn)


def write_facts(folder: Path, case: Case) -> None:
    """Write everything but the tensors."""
    facts = {
        "passes": case.passes,
        "evaluated": [asdict(sizes) for sizes in case.evaluated],
        "fractions": case.fractions,
    }
    (folder / _FACTS).write_text(json.dumps(facts))


def tensor_file(folder: Path) -> Path:
    """Where the tensors lie."""
    return folder / _TENSORS


def read_case(folder: Path) -> Case:
    """Read what was prepared."""
    facts = json.loads((folder / _FACTS).read_text())
    return Case(
        passes=facts["passes"],
        evaluated=tuple(Sizes(**sizes) for sizes in facts["evaluated"]),
        fractions=tuple(facts["fractions"]),
        tensors=load_file(tensor_file(folder)),
    )


def draws_file(folder: Path, strategy: str) -> Path:
    """Where our side notes the sub-networks that it drew with seed 0, for whittle to draw the same."""
    return folder / f"draws-{strategy}.json"


def learning_rates(steps: int) -> list[float]:
    """Linear up, then linear down to 0."""
    rising = max(1, round(WARMUP * steps))
    up = [(step + 1) / rising for step in range(min(rising, steps))]
    down = [(steps - step) / max(1, steps - rising) for step in range(rising, steps)]
    return [LEARNING_RATE * share for share in up + down]


def print_record(row: str, strategy: str, seed: int, **facts: Any) -> None:
    """One run as a line of JSON."""
    print(json.dumps({"row": row, "strategy": strategy, "seed": seed, **facts}), flush=True)


def mean_loss(logits: Sequence[torch.Tensor], blocks: torch.Tensor) -> float:
    """Mean loss of the next byte over blocks; logits `(batch, BLOCK, VOCABULARY)` batch by batch."""
    predicted = torch.cat([part[:, :-1] for part in logits]).reshape(-1, VOCABULARY)
    return torch.nn.functional.cross_entropy(predicted, blocks[:, 1:].reshape(-1)).item()
