"""What the real runs share: steps that are done once, a search, exports within budgets, one table."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import nas
from benchmarks.assets import CACHE, Asset

#: Changes a supernet in place; the folder is for checkpoints on the way.
Step = Callable[[nas.Supernet, Path], None]
#: Quality of a model with its tokenizer, on data that nothing was chosen by.
Score = Callable[[Any], float]
#: So many of the best within a budget are tried: one at its very edge may miss it when measured anew.
_CANDIDATES: Final = 3
_COLUMNS: Final = ("model", "architecture", "parameters")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Settings of a real run.

    Attributes:
        folder: where everything is written.
        cache: where assets lie.
        trials: sub-networks to evaluate; the one setting that may grow from run to run.
        workers: Ray workers; 0 evaluates in this process.
        quick: smallest sizes: shows that it runs, no more.
    """

    folder: Path
    cache: Path
    trials: int
    workers: int
    seed: int
    quick: bool

    def size(self, full: int, quick: int) -> int:
        """A size of the real run, or of the quick one."""
        return quick if self.quick else full


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One model of the table.

    Attributes:
        metrics: of the study, on validation data.
        test: on data that nothing was chosen by.
    """

    name: str
    architecture: str
    num_parameters: float
    metrics: Mapping[str, float]
    test: float


def options(name: str, description: str | None, *, trials: int) -> argparse.ArgumentParser:
    """The command line that every real run has."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.real_runs.{name}", description=description)
    parser.add_argument("--folder", type=Path, default=Path("real-runs") / name, help="run again to resume")
    parser.add_argument("--cache", type=Path, default=CACHE, help="of assets; default ~/.cache/subnas")
    parser.add_argument("--trials", type=int, default=trials)
    parser.add_argument("--workers", type=int, default=0, help="Ray workers; 0 (default) uses none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="smallest sizes: shows that it runs, no more")
    return parser


def settings_of(given: argparse.Namespace) -> Settings:
    """Settings of the command line, which must be those that the folder was made with.

    Raises:
        ConfigError: the folder was made with other ones.
    """
    names = ("folder", "cache", "trials", "workers", "seed", "quick")
    settings = Settings(**{name: getattr(given, name) for name in names})
    settings.folder.mkdir(parents=True, exist_ok=True)
    record = {name: value for name, value in asdict(settings).items() if name in ("seed", "quick")}
    file = settings.folder / "settings.json"
    if file.exists():
        earlier = json.loads(file.read_text(encoding="utf-8"))
        if earlier != record:
            raise nas.ConfigError(
                f"{settings.folder} was made with {earlier}, not {record}; give another --folder"
            )
    file.write_text(json.dumps(record) + "\n", encoding="utf-8")
    return settings


def folder_of(asset: Asset) -> Path:
    """The folder of an asset; without it the run ends with the reason."""
    if asset.folder is None:
        sys.exit(f"cannot run without {asset.reason}")
    return asset.folder


def built(folder: Path, start: Callable[[], nas.Supernet], steps: Mapping[str, Step]) -> nas.Supernet:
    """The supernet after all steps in their order; what an earlier run finished is read from the folder."""
    names = list(steps)
    finished = [name for name in names if (folder / name).is_dir()]
    supernet = nas.Supernet.load(folder / finished[-1]) if finished else start()
    for name in names[names.index(finished[-1]) + 1 :] if finished else names:
        print(f"{name} …", file=sys.stderr)
        steps[name](supernet, folder / f"{name}-checkpoint")
        supernet.save(folder / name)
    return supernet


def storage_in(folder: Path) -> str:
    """The database URL of a run."""
    return f"sqlite:///{(folder / 'nas.db').absolute()}"


def searched(study: nas.Study, evaluator: nas.DatasetEvaluator, settings: Settings) -> None:
    """Evaluate sub-networks until the study has as many as the settings say."""
    pool = nas.RayPool(settings.workers, "local") if settings.workers else nas.SerialPool()
    study.optimize(evaluator, settings.trials, workers=pool, show_progress_bar=True)


def rows(study: nas.Study, budgets: Sequence[str], folder: Path, score: Score) -> list[Row]:
    """The full model, and the best exported sub-network within each budget that one meets."""
    assert study.supernet is not None
    full = study.supernet.extract(study.supernet.full)
    found = [_row("full", _full_trial(study), score(full))]
    for budget in budgets:
        try:
            trial, exported = export_within(study, budget, folder)
        except nas.InfeasibleError as error:
            print(error, file=sys.stderr)
            continue
        found.append(_row(budget, trial, score(exported)))
    return found


def export_within(study: nas.Study, budget: str, folder: Path) -> tuple[nas.Trial, Path]:
    """Export the best trial that keeps a budget, also when it is measured anew.

    Raises:
        InfeasibleError: no trial meets the budget.
        ExportVerificationError: none of the best few keeps it.
    """
    candidates = study.select(budget)[:_CANDIDATES]
    for trial in candidates:
        if (folder / f"trial-{trial.number}").is_dir():
            return trial, folder / f"trial-{trial.number}"
    for trial in candidates:
        try:
            study.export(trial, folder / f"trial-{trial.number}", where=budget)
        except nas.ExportVerificationError as error:
            if trial is candidates[-1]:
                raise
            print(f"trial {trial.number}: {error}; taking the next best", file=sys.stderr)
        else:
            return trial, folder / f"trial-{trial.number}"
    raise AssertionError("select() returns at least one trial")


def table(found: Sequence[Row], metrics: Sequence[str], test: str) -> str:
    """The rows as a Markdown table."""
    columns = (*_COLUMNS, *metrics, test)
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    for row in found:
        cells = [row.name, row.architecture, f"{row.num_parameters / 1e6:.1f} M"]
        cells += [f"{row.metrics[name]:.4g}" for name in metrics]
        lines.append(f"| {' | '.join([*cells, f'{row.test:.4g}'])} |")
    return "\n".join(lines)


def _full_trial(study: nas.Study) -> nas.Trial:
    assert study.supernet is not None
    key = study.supernet.full.key
    return next(trial for trial in study.trials if trial.key == key)


def _row(name: str, trial: nas.Trial, test: float) -> Row:
    return Row(
        name=name,
        architecture=trial.architecture,
        num_parameters=trial.metrics["num_parameters"],
        metrics=trial.metrics,
        test=test,
    )
