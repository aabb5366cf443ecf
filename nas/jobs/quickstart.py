"""The whole flow on a real pretrained model that lies in an installed package: offline, on a CPU."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import yaml

from nas.config import SearchConfig, parse_config
from nas.errors import ExportVerificationError
from nas.evaluation.dataset import predict
from nas.export import verify_folder
from nas.jobs.bundled import bundled_model
from nas.jobs.examples import DOCSTRINGS, load_parts
from nas.jobs.search import run_search
from nas.jobs.supernets import encoded
from nas.metrics import metric_values
from nas.study import Study, Trial

logger = logging.getLogger(__name__)

#: What is selected: the most accurate sub-network within this share of the full model's latency.
BUDGET: Final = "latency_ms <= 0.6 * baseline"
#: So many of the best are tried: one at the very edge of the budget may miss it when measured anew.
CANDIDATES: Final = 3


@dataclass(frozen=True, kw_only=True)
class QuickstartOptions:
    """Settings of the quickstart.

    Attributes:
        folder: where everything is written; run it again with the same folder to resume.
        model: a model folder or hub id in place of the bundled one.
        data: a CSV, JSON lines or Parquet file of labelled texts in place of the bundled sentences.
        trials: sub-networks to evaluate.
        passes: forward/backward passes of training, a third of them for the full model alone.
        workers: `ray`, or `serial` in this process.
        seed: of every random choice.
    """

    folder: Path = Path("quickstart")
    model: str | None = None
    data: str | None = None
    trials: int = 48
    passes: int = 900
    workers: Literal["ray", "serial"] = "ray"
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class QuickstartResult:
    """What the quickstart made.

    Attributes:
        study: open, with its supernet.
        selected: the exported trial.
        test_metrics: by model (`full`, `selected`), the metric on examples that nothing was chosen by.
        pictures: front.svg and front.html.
        exported: the model folder.
        config: the config file that repeats the search with `nas search run`.
        seconds: wall time.
    """

    study: Study
    selected: Trial
    test_metrics: dict[str, float]
    pictures: list[Path]
    exported: Path
    config: Path
    seconds: float


def run_quickstart(options: QuickstartOptions, *, show_progress: bool = True) -> QuickstartResult:
    """Fine-tune, rank and train a supernet of MiniLM, search it, and export the best within budget.

    Raises:
        ConfigError: no model to be found, or the folder was made with other settings.
    """
    start = time.monotonic()
    folder = options.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    config = quickstart_config(options, folder)
    config_file = _write_config(config, folder)
    study = run_search(config, show_progress=show_progress)
    selected, exported = _export_best(study, folder / "subnet")
    pictures = study.plot.write_front(folder / "front", selected=selected, where=BUDGET)
    return QuickstartResult(
        study=study,
        selected=selected,
        test_metrics=_test_metrics(config, study, selected),
        pictures=pictures,
        exported=exported,
        config=config_file,
        seconds=time.monotonic() - start,
    )


def quickstart_config(options: QuickstartOptions, folder: Path) -> SearchConfig:
    """The config that the quickstart runs."""
    data = _absolute(options.data) if options.data else DOCSTRINGS
    model = _absolute(options.model) if options.model else bundled_model()
    return parse_config(
        {
            "version": 1,
            "name": "quickstart",
            "model": {"id": model, "task": "sequence-classification"},
            "space": {"kind": "uniform"},
            "supernet": {
                "importance": "default",
                "finetune": _training(options, share=1 / 3),
                "train": {"strategy": "random", **_training(options, share=2 / 3)},
            },
            "data": {"train": data, "validation": data, "test": data, "max_length": 48},
            "target": {"batch_size": 1, "sequence_length": 64, "threads": 1},
            "objectives": ["max accuracy", "min latency_ms"],
            "search": {"trials": options.trials, "seed": options.seed},
            "workers": {"kind": options.workers},
            "storage": {"url": f"sqlite:///{folder / 'nas.db'}", "artifacts": str(folder / "artifacts")},
        }
    )


def _absolute(path: str) -> str:
    """A path that means the same from the config file; anything that is no file stays a name."""
    return str(Path(path).absolute()) if Path(path).exists() else path


def _training(options: QuickstartOptions, *, share: float) -> dict[str, Any]:
    frozen = [] if options.model is not None else ["word_embeddings"]
    return {
        "passes": max(4, round(share * options.passes)),
        "batch_size": 32,
        "learning_rate": 2e-4,
        "frozen": frozen,
    }


def _write_config(config: SearchConfig, folder: Path) -> Path:
    path = folder / "quickstart.yaml"
    text = yaml.safe_dump(config.resolved(), sort_keys=False, allow_unicode=True)
    path.write_text(
        f"# Repeats or continues this search: nas search run {path.name}\n{text}", encoding="utf-8"
    )
    return path


def _export_best(study: Study, folder: Path) -> tuple[Trial, Path]:
    """Export the most accurate sub-network whose latency, measured anew, still keeps the budget.

    An export is verified as it is made; a folder of an earlier run is verified here.

    Raises:
        ExportVerificationError: none of the best few keeps it.
    """
    candidates = study.select(BUDGET)[:CANDIDATES]
    for trial in candidates:
        target = folder / f"trial-{trial.number}"
        if target.exists():
            verify_folder(target)
            return trial, target
    for trial in candidates:
        target = folder / f"trial-{trial.number}"
        try:
            study.export(trial, target, where=BUDGET)
        except ExportVerificationError as error:
            if trial is candidates[-1]:
                raise
            logger.warning("trial %d: %s; taking the next best", trial.number, error)
        else:
            return trial, target
    raise AssertionError("select() returns at least one trial")


def _test_metrics(config: SearchConfig, study: Study, selected: Trial) -> dict[str, float]:
    """The first objective on the test part, where there is one."""
    assert study.supernet is not None
    test = load_parts(config.data).test
    if test is None:
        return {}
    data = encoded(config, study.supernet, test)
    name = study.objectives[0].metric
    models = {"full": study.supernet.full, "selected": selected.config}
    return {
        model: metric_values([name], predict(study.supernet, subnet, data), np.asarray(data.labels))[name]
        for model, subnet in models.items()
    }
