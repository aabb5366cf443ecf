"""How good the seeds of a search are: quality of each ladder's sub-networks on texts unseen in training."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Final

import torch

import nas
from benchmarks.machine import describe_machine, use_one_thread
from nas.data import EncodedDataset, encode, load_examples
from nas.search import initial_design
from nas.search.design import SeedMeasurements
from nas.supernet import Supernet
from nas.tasks import task_of
from search_spaces import SubnetConfig

LADDERS: Final = ("uniform_ladder", "importance_ladder", "greedy", "knapsack")
BATCH: Final = 50
MAX_LENGTH: Final = 64


def main(arguments: list[str]) -> None:
    """Print a table for one supernet of a text classifier."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks seeds", description=__doc__)
    parser.add_argument("supernet", type=Path, help="folder that Supernet.save wrote")
    parser.add_argument("texts", type=Path, help="validation texts with labels")
    parser.add_argument("--space", default="medium")
    parser.add_argument("--examples", type=int, default=300)
    given = parser.parse_args(arguments)
    use_one_thread()
    supernet = nas.Supernet.load(given.supernet)
    texts = load_examples(given.texts).limit(given.examples)
    data = encode(texts, supernet.tokenizer, max_length=MAX_LENGTH)
    print(f"{describe_machine()}\n")
    print(f"{given.space} space, {len(data)} examples\n")
    print(
        "| seeds | share of parameters | loss | accuracy | passes | CPU seconds |\n|---|---|---|---|---|---|"
    )
    _print_ladders(supernet, data, given.space)


def _print_ladders(supernet: Supernet, data: EncodedDataset, kind: str) -> None:
    space, measured = supernet.space(kind), SeedMeasurements.of(supernet)
    assert measured is not None, "the supernet has no calibration data"
    before = time.process_time()
    measured.block_scores(space)
    print(f"| block scores | | | | {measured.passes} | {time.process_time() - before:.1f} |")
    full = supernet.cost(supernet.full).num_parameters
    for name in LADDERS:
        passes, before = measured.passes + measured.backward_passes, time.process_time()
        seeds = initial_design(space, (name,), measured=measured)[1:]
        seconds, passes = time.process_time() - before, measured.passes + measured.backward_passes - passes
        for seed in sorted(seeds, key=lambda one: -supernet.cost(one.config).num_parameters):
            share = supernet.cost(seed.config).num_parameters / full
            loss, accuracy = quality(supernet, seed.config, data)
            print(
                f"| {name} | {share:.3f} | {loss:.3f} | {accuracy:.3f} | {passes} | {seconds:.1f} |",
                flush=True,
            )


def quality(supernet: Supernet, config: SubnetConfig, data: EncodedDataset) -> tuple[float, float]:
    """Mean loss and accuracy of a sub-network."""
    task, loss, right = task_of(supernet.task), 0.0, 0
    with supernet.active(config) as model, torch.no_grad():
        for batch in data.batches(BATCH, order="length"):
            assert batch.labels is not None
            output = task.forward(model, batch.inputs)
            loss += float(task.summed_loss(output, batch.labels, batch.inputs))
            right += int((output.logits.argmax(-1) == batch.labels).sum())
    return loss / len(data), right / len(data)
