"""Torch-Pruning side by side with ours: `python -m benchmarks.peers [--quick] [CASE ...]`.

Each case is a random model of about 100 M parameters whose heads, neurons and hidden size both libraries are
to halve, each in a process of its own on one thread. Then the pruned model is saved, loaded again by the
stock class, and the logits are compared. "CPU s" is everything from the loaded model to the pruned one, its
ranking by magnitude included; "each further" is one more sub-network of the same model.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.peer_cases import CASES

_ROOT: Final = Path(__file__).resolve().parents[1]
#: Seconds for starting Python, importing torch and building a model, on top of the limit for pruning.
_START_S: Final = 240.0
_COLUMNS: Final = (
    "model",
    "parameters",
    "library",
    "pruned",
    "kept heads · FFN · hidden",
    "CPU s",
    "reloaded",
)
_INSTALL: Final = "install it beside torch and transformers: pip install --no-deps torch-pruning==1.6.1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One library.

    Attributes:
        python: the interpreter that has it.
    """

    name: str
    module: str
    python: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How every case is run.

    Attributes:
        timeout_s: for pruning, saving and loading alone.
    """

    quick: bool
    timeout_s: float


def main(arguments: list[str]) -> int:
    """Print one table; exit status 2 if the peer is not installed."""
    given = _parser().parse_args(arguments)
    names = [case.name for case in CASES]
    for name in given.cases:
        if name not in names:
            _parser().error(f"unknown case {name!r}; allowed are {', '.join(names)}")
    version = peer_version(given.peer_python)
    if version is None:
        print(
            f"Torch-Pruning is not installed in {Path(given.peer_python).name}; {_INSTALL}", file=sys.stderr
        )
        return 2
    sides = (
        Side(name=f"Torch-Pruning {version}", module="peer_torch_pruning", python=given.peer_python),
        Side(name="ours", module="peer_ours", python=sys.executable),
    )
    settings = Settings(quick=given.quick, timeout_s=given.timeout)
    print(f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}", flush=True)
    for name in given.cases or names:
        for side in sides:
            print(line(name, side.name, run_case(name, side, settings)), flush=True)
    return 0


def peer_version(python: str) -> str | None:
    """The version of Torch-Pruning that an interpreter has, or None."""
    code = "import importlib.metadata as m; print(m.version('torch-pruning'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def run_case(name: str, side: Side, settings: Settings) -> dict[str, Any]:
    """Run one library on one case; whatever happens is a record with an `outcome`."""
    command = [side.python, "-W", "ignore", "-m", f"benchmarks.{side.module}", name]
    command += ["--timeout", str(settings.timeout_s)]
    command += ["--quick"] if settings.quick else []
    limit = settings.timeout_s + _START_S
    try:
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        return {"outcome": "hangs", "error": f"no answer after {limit:.0f} s"}
    return record_of(done.stdout, done.stderr, returncode=done.returncode)


def record_of(stdout: str, stderr: str, *, returncode: int) -> dict[str, Any]:
    """What a side printed last: the outcome, or `hangs` before it begins and its watchdog ends it."""
    records = [json.loads(text) for text in stdout.splitlines() if text.startswith("{")]
    if not records or (returncode != 0 and "Timeout (" not in stderr):
        last = (stderr.strip().splitlines() or [f"exit status {returncode}"])[-1]
        return {"outcome": "fails", "error": last}
    record: dict[str, Any] = records[-1]
    return record


def line(name: str, library: str, record: Mapping[str, Any]) -> str:
    """A record as a line of the table."""
    kept = record.get("kept")
    cells = (
        name,
        f"{record['num_parameters'] / 1e6:.0f} M" if "num_parameters" in record else "",
        library,
        _outcome(record),
        " · ".join(f"{100 * share:.0f} %" for share in kept.values()) if kept else "",
        _seconds(record, "cpu_s"),
        _seconds(record, "further_cpu_s"),
        _reloaded(record),
    )
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _seconds(record: Mapping[str, Any], name: str) -> str:
    return f"{record[name]:.2f}" if name in record else ""


def _outcome(record: Mapping[str, Any]) -> str:
    outcome = str(record["outcome"])
    if record.get("unpruned"):
        return f"{outcome}: {', '.join(record['unpruned'])} not halved"
    return f"{outcome}: {_short(record['error'])}" if record.get("error") else outcome


def _reloaded(record: Mapping[str, Any]) -> str:
    """Equality after reloading as it was saved; where that fails, also with the config edited by hand."""
    if "reload" not in record:
        return ""
    plain = _equality(record["reload"])
    if isinstance(record["reload"], float) and record["reload"] == 0.0:
        return plain
    edited = record.get("reload_edited")
    return plain if edited is None else f"{plain}; config edited by hand: {_equality(edited)}"


def _equality(result: float | str) -> str:
    if isinstance(result, str):
        return "sizes do not match" if "ignore_mismatched_sizes" in result else _short(result)
    return "equal" if result == 0.0 else f"logits differ by {result:.1e}"


def _short(text: str) -> str:
    return text if len(text) <= 100 else text[:97] + "…"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="all if none")
    parser.add_argument("--quick", action="store_true", help="2 narrow blocks: shows that it runs, no more")
    parser.add_argument("--peer-python", default=sys.executable, help="a Python that has Torch-Pruning")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for pruning (default 60)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
