"""Our side of `benchmarks.whittle_strategies`; prints lines of JSON.

`python -m benchmarks.whittle_ours FOLDER --seed 0`
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch

import nas
from benchmarks import whittle_case as shared
from benchmarks.machine import use_one_thread
from benchmarks.whittle_case import BATCH, Case
from benchmarks.whittle_sizes import config_of, recording_space, sizes_of, space_of
from benchmarks.whittle_start import dataset_of, options, supernet_of


def main(arguments: list[str]) -> None:
    """Train unranked and ranked with each strategy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    use_one_thread()
    case = shared.read_case(given.folder)
    data = dataset_of(case.tensors["train"].numpy())
    for strategy, is_ranked in itertools.product(shared.STRATEGIES, (False, True)):
        supernet, passes = supernet_of(case), case.passes
        if is_ranked:
            supernet.rank("default", data.calibration(shared.CALIBRATION_BATCHES * BATCH, batch_size=BATCH))
            passes -= shared.RANKING_PASSES
        row = "ours, ranked" if is_ranked else "ours"
        if strategy == shared.STRATEGIES[0] and given.seed == 0:
            shared.print_record(row, "before", 0, losses=losses_of(supernet, case))
        facts, drawn = train(supernet, data, strategy, passes=passes, seed=given.seed)
        if given.seed == 0 and not is_ranked:
            sizes = [asdict(sizes_of(space_of(supernet), config)) for config in drawn]
            shared.draws_file(given.folder, strategy).write_text(json.dumps(sizes))
        shared.print_record(row, strategy, given.seed, losses=losses_of(supernet, case), **facts)


def train(
    supernet: nas.Supernet, data: nas.EncodedDataset, strategy: str, *, passes: int, seed: int
) -> tuple[dict[str, float], list[nas.SubnetConfig]]:
    """Train in place: passes and time spent, and the sub-networks drawn."""
    space, drawn = recording_space(supernet)
    wall, cpu = time.perf_counter(), time.process_time()
    report = nas.train_supernet(
        supernet,
        data,
        strategy=strategy,
        budget=nas.Budget(passes=passes),
        space=space,
        options=options(seed),
    )
    spent = {"seconds": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    return {"passes": report.passes, **spent}, drawn


def losses_of(supernet: nas.Supernet, case: Case) -> list[float]:
    """Validation losses of the evaluated sub-networks, `(evaluated,)`."""
    space, blocks = space_of(supernet), case.tensors["validation"]
    losses = []
    for sizes in case.evaluated:
        with torch.no_grad(), supernet.active(config_of(space, sizes)) as model:
            logits = [model(input_ids=part).logits for part in torch.split(blocks, BATCH)]
        losses.append(shared.mean_loss(logits, blocks))
    return losses


if __name__ == "__main__":
    main(sys.argv[1:])
