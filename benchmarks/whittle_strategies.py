"""Training strategies side by side with whittle's.

`python -m benchmarks.whittle_strategies --peer-python P [--short] [--passes N] [--seeds N]`

Both libraries start from the same network, see the same batches in the same order with the same optimiser,
and spend the same forward/backward passes, each in a process of its own on one thread. Each scores the same
sizes of sub-networks on the same validation data with its own forward pass.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.machine import describe_machine, use_one_thread
from benchmarks.whittle_case import LADDER, STRATEGIES, Case
from benchmarks.whittle_start import Effort, prepare
from nas.pareto import hypervolume

_ROOT: Final = Path(__file__).resolve().parents[1]
_FULL: Final = Effort(
    seeds=3, pretraining=800, passes=400, sentences=2000, validation_blocks=64, num_random=70
)
_SHORT: Final = Effort(seeds=1, pretraining=40, passes=48, sentences=200, validation_blocks=16, num_random=8)
#: Loss in nats and share of the full network's parameters.
REFERENCE: Final = (4.0, 1.0)
_ROWS: Final = ("whittle", "ours", "whittle, ranked", "ours, ranked")
_COLUMNS: Final = (
    "network",
    "training",
    "passes",
    "full",
    "ladder",
    "smallest",
    "hypervolume",
    "CPU ms a pass",
    "wall ms a pass",
)


def main(arguments: list[str]) -> int:
    """Print the checks and the table; exit status 2 if a side cannot run."""
    given = _parser().parse_args(arguments)
    effort = _effort(given)
    use_one_thread()
    print(describe_machine(), file=sys.stderr)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        case = prepare(folder, effort)
        records = []
        for seed in range(effort.seeds):
            for python, module in ((sys.executable, "whittle_ours"), (given.peer_python, "whittle_peer")):
                done = _run(python, module, folder, seed)
                if isinstance(done, str):
                    print(f"{module} failed: {done}", file=sys.stderr)
                    return 2
                records += done
    print(checks(records, case))
    print(f"\n| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}")
    for strategy, row in itertools.product(("before", *STRATEGIES), _ROWS):
        print(line(row, strategy, records, case))
    return 0


def _run(python: str, module: str, folder: Path, seed: int) -> list[dict[str, Any]] | str:
    """What a side printed, or the end of its error."""
    command = [python, "-W", "ignore", "-m", f"benchmarks.{module}", str(folder), "--seed", str(seed)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    records = [json.loads(text) for text in done.stdout.splitlines() if text.startswith("{")]
    for record in records:
        print(f"seed {seed}: {record['row']}, {record['strategy']}", file=sys.stderr)
    return records


def checks(records: Sequence[Mapping[str, Any]], case: Case) -> str:
    """What must agree if both sides are to be compared, as lines of text."""
    start = {row: _of(records, row, "before")[0] for row in _ROWS}
    unranked = _largest(start["ours"]["losses"], start["whittle"]["losses"])
    lines = [
        f"- Before training the full networks' logits differ by {start['whittle']['logits']:.1e}, the losses "
        f"of the {len(case.evaluated)} sub-networks by at most {unranked:.1e}.",
        f"- Parameter shares differ by at most {100 * start['whittle']['parameters']:.1e} %.",
    ]
    for side in ("ours", "whittle"):
        moved = abs(start[f"{side}, ranked"]["losses"][0] - start[side]["losses"][0])
        lines.append(f"- Ranking by {side} changes the full network's loss by {moved:.1e}.")
    for strategy in STRATEGIES:
        ours, replayed = (_of(records, row, strategy)[0] for row in ("ours", "replay"))
        lines.append(
            f"- Trained by `{strategy}` with our draws (seed 0), whittle's losses differ from "
            f"ours by at most {_largest(ours['losses'], replayed['losses']):.1e}; its CPU time ÷ ours is "
            f"{replayed['cpu_s'] / ours['cpu_s']:.2f}."
        )
    nats, share = REFERENCE
    lines.append(f"- Hypervolume over (loss, share of parameters), reference ({nats:g} nats, {share:g}).")
    return "\n".join(lines)


def line(row: str, strategy: str, records: Sequence[Mapping[str, Any]], case: Case) -> str:
    """The mean over seeds as a line of the table, ± half the range over seeds."""
    runs = _of(records, row, strategy)
    losses = np.array([run["losses"] for run in runs])
    rungs = losses[:, 1 : 1 + len(LADDER)].mean(axis=1)
    volumes = np.array([volume_of(each, case.fractions) for each in losses])
    columns = (losses[:, 0], rungs, losses[:, 1 + len(LADDER)], volumes)
    passes = f"{runs[0]['passes']}" if "passes" in runs[0] else ""
    times = [_milliseconds(runs, name) for name in ("cpu_s", "seconds")]
    cells = (row, strategy, passes, *(_spread(values) for values in columns), *times)
    return f"| {' | '.join(cells)} |"


def volume_of(losses: Sequence[float] | np.ndarray, fractions: Sequence[float]) -> float:
    """Hypervolume of the evaluated sub-networks."""
    return hypervolume(np.column_stack([losses, fractions]), REFERENCE)


def _of(records: Sequence[Mapping[str, Any]], row: str, strategy: str) -> list[Mapping[str, Any]]:
    return [record for record in records if (record["row"], record["strategy"]) == (row, strategy)]


def _largest(left: Sequence[float], right: Sequence[float]) -> float:
    return float(np.abs(np.subtract(left, right)).max())


def _spread(values: np.ndarray) -> str:
    mean = f"{values.mean():.3f}"
    return mean if len(values) == 1 else f"{mean} ±{np.ptp(values) / 2:.3f}"


def _milliseconds(runs: Sequence[Mapping[str, Any]], name: str) -> str:
    if name not in runs[0]:
        return ""
    return f"{np.median([1000 * run[name] / run['passes'] for run in runs]):.1f}"


def _effort(given: argparse.Namespace) -> Effort:
    effort = _SHORT if given.short else _FULL
    wanted = {"passes": given.passes, "seeds": given.seeds}
    return replace(effort, **{name: value for name, value in wanted.items() if value is not None})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.whittle_strategies", description=__doc__)
    parser.add_argument("--peer-python", required=True, help="a Python that has whittle")
    parser.add_argument("--short", action="store_true", help="smallest settings: shows that it runs, no more")
    parser.add_argument("--passes", type=int, help=f"of a run (default {_FULL.passes})")
    parser.add_argument("--seeds", type=int, help=f"how many (default {_FULL.seeds})")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
