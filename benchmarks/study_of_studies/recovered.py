"""Klein's thresholds: the best sub-network within a share of MiniLM's parameters, recovered.

Each task is fine-tuned, ranked, trained as a supernet and searched once a budget; the best few on validation
data then learn from the fine-tuned model. Figures are test metrics as shares of its own.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.assets import CACHE, minilm
from benchmarks.machine import describe_machine
from benchmarks.real_runs import run
from benchmarks.study_of_studies.command import benches, check_folder
from benchmarks.study_of_studies.protocol import PROTOCOLS
from benchmarks.study_of_studies.pruned import GOALS, Pruned, pruned
from benchmarks.study_of_studies.recipe import RECIPES
from benchmarks.study_of_studies.table import table
from benchmarks.study_of_studies.tasks import DATA, TASKS


def main(arguments: list[str]) -> None:
    """Compute what is missing and print the table."""
    given = _parser().parse_args(arguments)
    kind = "tiny" if given.quick else "short" if given.short else "full"
    protocol, recipe = PROTOCOLS[kind], RECIPES[kind]
    folder = given.folder or Path("recovered") / kind
    check_folder(folder, {"protocol": protocol.to_json(), "recipe": asdict(recipe)})
    print(describe_machine(torch.get_num_threads()), file=sys.stderr)
    bench_of = benches(folder, given.data, run.folder_of(minilm(given.cache)), protocol)
    found = []
    for seed in range(given.seeds):
        for task in given.tasks.split(","):
            found += pruned(bench_of(task, seed), recipe)
    print(summary(found))


def summary(found: Sequence[Pruned]) -> str:
    """A table of all sub-networks, and the means beside the goals."""
    header = ("task", "seed", "≤", "architecture", "parameters", "in blocks", "unpruned", "before", "after")
    rows = [_cells(one) for one in found]
    return f"{table(header, rows)}\n\n{_means(found)}"


def _cells(one: Pruned) -> list[str]:
    shares = (one.before / one.unpruned, one.after / one.unpruned)
    return [
        *(one.task, str(one.seed), f"{one.threshold}", one.architecture),
        *(f"{one.share:.3f}", f"{one.prunable:.3f}", f"{one.unpruned:.4f}"),
        *(f"{share:.3f}" for share in shares),
    ]


def _means(found: Sequence[Pruned]) -> str:
    rows = []
    for threshold, goal in GOALS.items():
        own = [one for one in found if one.threshold == threshold]
        before = statistics.fmean(one.before / one.unpruned for one in own)
        after = statistics.fmean(one.after / one.unpruned for one in own)
        accuracy = statistics.fmean(one.accuracies[2] / one.accuracies[0] for one in own)
        met = "yes" if after >= goal else "**no**"
        rows.append([f"{threshold}", f"{before:.3f}", f"{after:.3f}", f"{goal}", met, f"{accuracy:.3f}"])
    return table(("≤", "before", "recovered", "goal", "met", "recovered, by accuracy"), rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks recovered", description=__doc__)
    parser.add_argument("--tasks", default=",".join(TASKS), help="separated by commas; default all")
    parser.add_argument("--seeds", type=int, default=1, help="so many, from 0")
    parser.add_argument("--short", action="store_true", help="a part of the examples and of the passes")
    parser.add_argument("--quick", action="store_true", help="smallest sizes: shows that it runs, no more")
    parser.add_argument("--folder", type=Path, help="run again to resume; default recovered/KIND")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of sst2/ and mrpc/")
    parser.add_argument("--cache", type=Path, default=CACHE, help="of assets; default ~/.cache/subnas")
    return parser
