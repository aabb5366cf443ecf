"""Klein's thresholds: the best sub-network within a share of MiniLM's parameters, recovered.

Each task is fine-tuned, ranked, trained as a supernet and searched once a budget; the sub-network with the
best validation metric then learns from the fine-tuned model. Figures are test metrics as shares of its own.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch

import nas
from benchmarks.assets import CACHE, minilm
from benchmarks.machine import describe_machine
from benchmarks.real_runs import run
from benchmarks.study_of_studies.cells import Bench, finetuned
from benchmarks.study_of_studies.command import benches, check_folder
from benchmarks.study_of_studies.protocol import PROTOCOLS
from benchmarks.study_of_studies.recipe import RECIPES, Recipe
from benchmarks.study_of_studies.table import table
from benchmarks.study_of_studies.tasks import DATA, TASKS
from nas.data import BatchedDataset
from nas.evaluation.scoring import run as score
from nas.recovery import recover
from nas.tasks import task_of
from nas.training import Teacher

#: Share of the parameters, and the share of the unpruned metric that is wanted there: the best of four
#: methods on BERT-base, mean of eight tasks, in the results of Klein et al. 2024 (arXiv 2405.02267).
GOALS: Final = {0.52: 0.86, 0.71: 0.95, 0.91: 0.985}


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """A sub-network before and after recovery.

    Attributes:
        unpruned: test metric of the fine-tuned model.
        before: the same of the sub-network with the supernet's weights.
        after: the same when recovered.
        passes: of its recovery.
    """

    task: str
    seed: int
    threshold: float
    architecture: str
    share: float
    prunable: float
    unpruned: float
    before: float
    after: float
    accuracies: tuple[float, float, float]
    passes: int


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


def pruned(bench: Bench, recipe: Recipe) -> list[Pruned]:
    """One sub-network a budget; what an earlier call made is read."""
    folder = bench.folder / "recovered"
    supernet = run.built(folder, lambda: finetuned(bench), _steps(bench, recipe))
    return [_within(threshold, supernet, bench, recipe) for threshold in GOALS]


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


def _within(threshold: float, supernet: nas.Supernet, bench: Bench, recipe: Recipe) -> Pruned:
    file = bench.folder / f"recovered-{threshold}.json"
    if not file.exists():
        found = _recovered(threshold, supernet, bench, recipe)
        file.write_text(json.dumps(asdict(found)) + "\n", encoding="utf-8")
        shutil.rmtree(bench.folder / f"recovery-{threshold}")
    record = json.loads(file.read_text(encoding="utf-8"))
    return Pruned(**{**record, "accuracies": tuple(record["accuracies"])})


def _recovered(threshold: float, supernet: nas.Supernet, bench: Bench, recipe: Recipe) -> Pruned:
    best = _best(threshold, supernet, bench, recipe)
    unpruned = finetuned(bench)
    made = recover(
        supernet,
        best.config,
        bench.parts.train,
        budget=nas.Budget(passes=recipe.recovery_passes),
        options=recipe.recovery_options(bench.seed + 2),
        teacher=Teacher.of(unpruned),
        checkpoint=bench.folder / f"recovery-{threshold}",
        show_progress_bar=True,
    )
    models = (
        unpruned.extract(unpruned.full),
        supernet.extract(best.config),
        supernet.extract(best.config, made.weights),
    )
    values = [_scores(model, supernet.task, bench.parts.test, bench.task.metrics) for model in models]
    whole = best.study.spec.full_costs
    return Pruned(
        task=bench.task.name,
        seed=bench.seed,
        threshold=threshold,
        architecture=best.architecture,
        share=best.metrics["num_parameters"] / whole["num_parameters"],
        prunable=best.metrics["num_prunable_parameters"] / whole["num_prunable_parameters"],
        unpruned=values[0][bench.task.metric],
        before=values[1][bench.task.metric],
        after=values[2][bench.task.metric],
        accuracies=(values[0]["accuracy"], values[1]["accuracy"], values[2]["accuracy"]),
        passes=made.report.passes,
    )


def _best(threshold: float, supernet: nas.Supernet, bench: Bench, recipe: Recipe) -> nas.Trial:
    """The best on validation data within a budget, by a search of its own."""
    with nas.create_study(
        f"{bench.task.name}/within/{threshold}/{bench.seed}",
        supernet=supernet,
        objectives=[f"max {bench.task.metric}", "min num_parameters"],
        constraints=[f"num_parameters <= {threshold} * baseline"],
        storage=bench.storage,
        seed=bench.seed,
        load_if_exists=True,
    ) as study:
        evaluator = nas.DatasetEvaluator(
            data=bench.parts.validation, metrics=bench.task.metrics, precision="bfloat16"
        )
        study.optimize(evaluator, recipe.trials, show_progress_bar=True)
        return study.best()


def _steps(bench: Bench, recipe: Recipe) -> dict[str, run.Step]:
    train = bench.parts.train

    def rank(supernet: nas.Supernet, _: Path) -> None:
        supernet.rank("default", train.calibration(bench.protocol.calibration, seed=bench.seed))

    def train_(supernet: nas.Supernet, checkpoint: Path) -> None:
        nas.train_supernet(
            supernet,
            train,
            strategy=recipe.strategy,
            budget=nas.Budget(passes=recipe.supernet_passes),
            options=recipe.supernet_options(bench.seed + 1),
            checkpoint=checkpoint,
            show_progress_bar=True,
        )

    return {"ranked": rank, "trained": train_}


def _scores(model: Any, task: str, data: BatchedDataset, metrics: tuple[str, ...]) -> dict[str, float]:
    model.train(mode=False)
    outcome = score(task_of(task), model, data.batches(64, order="length"), len(data), metrics=metrics)
    return outcome.values(metrics)


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
