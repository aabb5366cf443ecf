"""Forward of an active sub-network ÷ forward of the same sub-network extracted."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch

from benchmarks.machine import use_one_thread
from benchmarks.models import (
    BERT_BASE,
    MINILM,
    TINY,
    every_second_unit,
    narrow,
    quarter,
    random_inputs,
    random_supernet,
)
from benchmarks.pairs import paired_row
from benchmarks.table import Goal, Row
from nas.supernet import Supernet
from search_spaces import SubnetConfig

_GOAL: Final = Goal("<=", 1.03)
_WORKLOADS: Final = ((32, 32), (1, 128))


def run(*, quick: bool) -> list[Row]:
    use_one_thread()
    rows = []
    for name in (TINY,) if quick else (MINILM, BERT_BASE):
        supernet = random_supernet(name)
        for batch_size, length in _WORKLOADS[1:] if quick else _WORKLOADS:
            for kind, config in _subnets(supernet).items():
                case = f"forward active ÷ extracted, {name}, {kind}, {batch_size} × {length}"
                inputs = random_inputs(supernet, batch_size, length)
                rows.append(_row(case, supernet, config, inputs, quick=quick))
    return rows


def _subnets(supernet: Supernet) -> dict[str, SubnetConfig]:
    return {
        "middle": supernet.space("uniform").middle(),
        "quarter": quarter(supernet),
        "narrow": narrow(supernet),
        "sizes by layer": supernet.space("medium").sample(np.random.default_rng(1)),
        "index sets": every_second_unit(supernet),
    }


def _row(
    case: str, supernet: Supernet, config: SubnetConfig, inputs: dict[str, torch.Tensor], *, quick: bool
) -> Row:
    extracted = supernet.extract(config)
    goal = None if config.key == every_second_unit(supernet).key else _GOAL
    with torch.inference_mode(), supernet.active(config) as active:
        torch.testing.assert_close(active(**inputs).logits, extracted(**inputs).logits)
        return paired_row(case, lambda: active(**inputs), lambda: extracted(**inputs), goal=goal, quick=quick)
