"""Peak memory of a search on one worker ÷ bytes of the model's weights.

Measured: proportional set sizes (PSS: pages that n processes share count 1/n in each), summed over the
driver, its worker and the raylet, which owns Ray's object store, so that weights in mapped files and in it
count once, from the driver's start to its end; the largest sum of samples at least 50 ms apart. Subtracted is
the same peak of the same search on a model of 0.1 MB. The rest holds the weights that the search reads, and
also activations and whatever else grows with the model. Weights that no forward pass reads are not in it:
here, most rows of the embeddings.

`python -m benchmarks.memory FOLDER [--task T]` measures a supernet folder, or any model folder, in the
precision that it is stored in.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import torch

from benchmarks.models import BERT_BASE, TINY, random_supernet
from benchmarks.table import Goal, Row, median_of, shown
from nas.evaluation import ScoreEvaluator
from nas.supernet import Supernet
from nas.supernet.checkpoint import MANIFEST

Precision = Literal["stored", "bfloat16"]
_GOAL: Final = Goal("<=", 1.3)
_TRIALS: Final = 4
_TOKENS: Final = 64
_REPEATS: Final = 2
_SAMPLE_SECONDS: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class MeanOutput(ScoreEvaluator):
    """The mean output of one short forward pass, with weights in the precision asked for."""

    precision: Precision = "stored"

    @property
    def weights_dtype(self) -> torch.dtype | None:
        """See `Evaluator.weights_dtype`."""
        return torch.bfloat16 if self.precision == "bfloat16" else None

    def prepare(self, supernet: Supernet, earlier: Any = None) -> MeanOutput:
        """See `Evaluator.prepare`."""
        del supernet, earlier
        return replace(self, identity=f"mean output in {self.precision}")


def run(*, quick: bool) -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        tiny, large = (_saved(Path(folder) / name, name) for name in (TINY, TINY if quick else BERT_BASE))
        half = _saved(Path(folder) / "half", TINY if quick else BERT_BASE, dtype=torch.float16)
        cases: tuple[tuple[str, Path, Precision], ...] = (
            ("float32", large, "stored"),
            ("float16", half, "stored"),
            ("float16, evaluated in bfloat16", half, "bfloat16"),
        )
        without = _peaks(tiny, "stored", quick=quick)
        for case, path, precision in cases[-1:] if quick else cases:
            name = f"{TINY if quick else BERT_BASE} in {case}"
            rows.append(_row(name, path, _peaks(path, precision, quick=quick), without))
    return rows


def main(arguments: list[str]) -> None:
    """Measure one folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--task", default="sequence-classification", help="of a folder that is no supernet")
    parser.add_argument("--precision", default="stored", choices=("stored", "bfloat16"))
    parser.add_argument("--search", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.search:
        search(given.folder, given.precision)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder
        if not (folder / MANIFEST).exists():
            supernet = Supernet.from_pretrained(folder, task=given.task, dtype="auto")
            folder = supernet.save(Path(scratch) / "supernet")
            del supernet
        tiny = _saved(Path(scratch) / TINY, TINY)
        without = _peaks(tiny, "stored", quick=False)
        row = _row(str(given.folder), folder, _peaks(folder, given.precision, quick=False), without)
    print(f"{row.case}: {shown(row.figure)}, goal {_GOAL.sign} {_GOAL.bound}; {row.also}")


def search(folder: Path, precision: Precision) -> None:
    """A search of a few trials on one Ray worker."""
    import nas

    supernet = Supernet.load(folder)
    config: Any = supernet.model.config
    tokens = torch.arange(_TOKENS).remainder(config.vocab_size)[None]

    def score(model: Any) -> float:
        return float(model(input_ids=tokens).logits.float().mean())

    with tempfile.TemporaryDirectory() as scratch:
        study = nas.create_study(
            "memory",
            storage=f"sqlite:///{scratch}/nas.db",
            supernet=supernet,
            space="uniform",
            objectives=["max score", "min num_parameters"],
            metrics=["score"],
        )
        evaluator = MeanOutput(score=score, precision=precision)
        study.optimize(evaluator, n_trials=_TRIALS, workers=nas.RayPool(num_workers=1))


def _row(case: str, folder: Path, peaks: list[float], without: list[float]) -> Row:
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    base = median_of(without).estimate
    return Row(
        case=f"peak memory of a search ÷ weights, {case}, {size / 1e6:.3g} MB",
        figure=median_of([(peak - base) / size for peak in peaks]),
        goal=_GOAL,
        also=f"{base / 1e6:.0f} MB without weights; {len(peaks)} searches each",
    )


def _saved(folder: Path, name: str, dtype: torch.dtype = torch.float32) -> Path:
    supernet = random_supernet(name)
    model: Any = supernet.model
    model.to(dtype)
    return supernet.save(folder)


def _peaks(folder: Path, precision: Precision, *, quick: bool) -> list[float]:
    return [float(_peak_bytes(folder, precision)) for _ in range(1 if quick else _REPEATS)]


def _peak_bytes(folder: Path, precision: Precision) -> int:
    """Largest sum of PSS over a search's driver, worker and raylet, sampled from outside."""
    command = [sys.executable, "-m", "benchmarks.memory", str(folder), "--precision", precision, "--search"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
    peak = 0
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            counted = [pid for pid in _tree(process.pid) if pid == process.pid or _is_counted(pid)]
            peak = max(peak, sum(map(_pss_bytes, counted)))
            time.sleep(_SAMPLE_SECONDS)
    if process.returncode != 0:
        raise RuntimeError(f"the search in {folder} ended with exit code {process.returncode}")
    return peak


def _tree(root: int) -> list[int]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        children.setdefault(parent, []).append(int(path.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _is_counted(pid: int) -> bool:
    """Whether a process is Ray's worker or raylet; its other helpers come and go."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
    except OSError:
        return False
    return command.startswith(b"ray::EvaluationActor") or command.endswith(b"/raylet")


def _pss_bytes(pid: int) -> int:
    """PSS of a process; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
    except OSError:
        return 0


if __name__ == "__main__":
    main(sys.argv[1:])
