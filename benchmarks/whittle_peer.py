"""Whittle's side of `benchmarks.whittle_strategies`, in an interpreter that has it; prints lines of JSON.

Its strategies, sampler, elastic layers, importance scores and parameter counts are used as they are; the loop
around them does what whittle's own does (`whittle/pretrain_super_network.py`, `fit`), with the optimiser's
settings that our side has.

`python -m benchmarks.whittle_peer FOLDER --seed 0`
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import torch
from litgpt.utils import chunked_cross_entropy  # type: ignore[import-not-found, unused-ignore]
from syne_tune.config_space import choice  # type: ignore[import-not-found, unused-ignore]
from whittle.sampling.random_sampler import RandomSampler  # type: ignore[import-not-found, unused-ignore]
from whittle.search.search_spaces import SimpleSearchSpace  # type: ignore[import-not-found, unused-ignore]
from whittle.training_strategies import (  # type: ignore[import-not-found, unused-ignore]
    RandomStrategy,
    SandwichStrategy,
)

from benchmarks import whittle_case as shared
from benchmarks.whittle_case import BATCH, Case, Sizes
from benchmarks.whittle_network import check, keywords_of, network_of, ranked

_PASSES_A_STEP: Final = {"random": 1, "sandwich": 4}


def main(arguments: list[str]) -> None:
    """Train with each strategy: as it is, ranked, and with seed 0 also with our side's draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    case = shared.read_case(given.folder)
    for strategy, row in itertools.product(shared.STRATEGIES, ("whittle", "whittle, ranked", "replay")):
        if row == "replay" and given.seed != 0:
            continue
        model, order, passes = network_of(case), None, case.passes
        if row == "whittle, ranked":
            model, order = ranked(case, given.seed)
            passes -= shared.RANKING_PASSES
        if strategy == shared.STRATEGIES[0] and given.seed == 0 and row != "replay":
            facts = {"losses": losses_of(model, case, order), **check(model, case)}
            shared.print_record(row, "before", 0, **facts)
        sampler: Any = RandomSampler(space_of(order), seed=given.seed)
        if row == "replay":
            sampler = replay(json.loads(shared.draws_file(given.folder, strategy).read_text()))
        wall, cpu = time.perf_counter(), time.process_time()
        steps = train(model, strategy, sampler, case, seed=given.seed, passes=passes)
        spent = {"seconds": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
        passes = steps * _PASSES_A_STEP[strategy]
        losses = losses_of(model, case, order)
        shared.print_record(row, strategy, given.seed, losses=losses, passes=passes, **spent)


def train(model: Any, strategy: str, sampler: Any, case: Case, *, seed: int, passes: int) -> int:
    """Train in place; the steps made."""
    kind = RandomStrategy if strategy == "random" else SandwichStrategy
    step_of = kind(sampler=sampler, loss_function=chunked_cross_entropy, device="cpu")
    weights = list(model.parameters())
    groups = [
        {"params": [w for w in weights if w.ndim > 1], "weight_decay": shared.WEIGHT_DECAY},
        {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=shared.LEARNING_RATE, fused=True)
    rates = shared.learning_rates(passes // _PASSES_A_STEP[strategy])
    model.train()
    for rate, rows in zip(rates, case.tensors[f"order.{seed}"], strict=False):
        tokens = case.tensors["train"][rows]
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        step_of(model, tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous())
        torch.nn.utils.clip_grad_norm_(weights, shared.MAX_GRADIENT_NORM)
        optimizer.step()
    model.eval()
    return len(rates)


def losses_of(model: Any, case: Case, layer_order: tuple[int, ...] | None) -> list[float]:
    """Validation losses of the evaluated sub-networks, `(evaluated,)`."""
    blocks, losses = case.tensors["validation"], []
    for sizes in case.evaluated:
        model.set_sub_network(**keywords_of(sizes, layer_order))
        with torch.no_grad():
            logits = [model(part) for part in torch.split(blocks, BATCH)]
        losses.append(shared.mean_loss(logits, blocks))
        model.reset_super_network()
    return losses


def space_of(layer_order: tuple[int, ...] | None) -> Any:
    """Whittle's kind of space over the values that both sides have."""
    space = SimpleSearchSpace({name: choice(list(values)) for name, values in shared.CHOICES.items()})
    space.cast = lambda drawn: keywords_of(Sizes(**drawn), layer_order)
    return space


def replay(drawn: list[dict[str, int]]) -> Any:
    """A sampler that gives these sub-networks one after the other."""
    waiting = iter(drawn)
    return SimpleNamespace(
        sample=lambda: keywords_of(Sizes(**next(waiting))),
        get_smallest_sub_network=lambda: keywords_of(shared.SMALLEST),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
