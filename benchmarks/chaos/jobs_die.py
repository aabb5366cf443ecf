"""Rows 3 and 8: what keeps a job running dies, or the head of the cluster that it runs on."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

from benchmarks.chaos.context import Context
from benchmarks.chaos.outcome import Outcome, combined, examined
from storage import JobRecord, JobState, Ledger, TrialState

_WORDS = ("red", "blue", "green", "cat", "dog", "fish", "runs", "sleeps")
_NAME = "job"
_TRIALS = 60
_REPEATED_ROWS = 60
_PATIENCE_S = 240
_CONFIG = """\
version: 1
name: job
model: {{id: bert, task: sequence-classification}}
data: {{train: train.csv, validation: validation.csv, max_length: 8}}
supernet: {{importance: magnitude_l2}}
target: null
objectives: [max accuracy, min num_parameters]
search: {{trials: {trials}, sampler: nsga2, racing: null}}
workers: {workers}
"""


@dataclass(frozen=True)
class _Place:
    """A folder with a config, a model and data, and the job that runs there."""

    folder: Path
    environment: dict[str, str]

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'nas.db'}"

    def nas(self, *words: str) -> str:
        """Run the command line; what it prints."""
        done = subprocess.run(
            [sys.executable, "-c", "from nas.cli import main; main()", *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"nas {' '.join(words)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def job(self) -> JobRecord:
        with Ledger.open(self.url) as ledger:
            return ledger.jobs()[-1]

    def num_done(self) -> int:
        with Ledger.open(self.url) as ledger, suppress(LookupError, ValueError):
            if any(study.name == _NAME for study in ledger.studies()):
                return len(ledger.trials(ledger.study(_NAME).id, states={TrialState.DONE}))
        return 0

    def wait_for(self, num_done: int) -> bool:
        """Wait until so many trials are done; False if the job ended first."""
        give_up = time.monotonic() + _PATIENCE_S
        while self.num_done() < num_done and time.monotonic() < give_up:
            if self.job().state.is_final:
                return False
            time.sleep(0.2)
        return self.num_done() >= num_done


def supervisors_killed(context: Context, *, full: int = 3) -> Outcome:
    """Row 3: SIGKILL to the supervisor of a job; the job shows as lost, and goes on when resumed."""
    place, kills = _prepared(context, workers="{kind: serial}"), context.times(full)
    number = place.nas("search", "run", "job.yaml", "--detach", "-q").strip()
    done, problems = 0, list[str]()
    while done < kills and place.wait_for(place.num_done() + 2):
        supervisor = int((place.job().owner or "/0").rpartition("/")[2])
        if supervisor == 0:
            break
        os.kill(supervisor, signal.SIGKILL)
        done += 1
        while place.job().is_alive:
            time.sleep(0.2)
        if "lost" not in place.nas("search", "ls") and not place.job().state.is_final:
            problems.append("the job is not shown as lost")
        if place.job().state.is_final:
            break
        place.nas("search", "resume", number)
    place.nas("search", "wait", number)
    outcome = examined(place.url, _NAME, total=_TRIALS, injected=done)
    return _with_state(outcome, place, problems)


def head_killed(context: Context, *, full: int = 1) -> Outcome:
    """Row 8: SIGKILL to the head of the Ray cluster; the supervisor starts the driver on the next one."""
    return combined([_head_killed(context) for _ in range(context.times(full))])


def _head_killed(context: Context) -> Outcome:
    port = 20_000 + os.getpid() % 20_000
    place = _prepared(context, workers=f"{{kind: ray, address: '127.0.0.1:{port}', num_workers: 1}}")
    with _head(place, port) as first:
        number = place.nas("search", "run", "job.yaml", "--detach", "-q").strip()
        is_running = place.wait_for(3)
        done = place.num_done()
    since = time.monotonic()
    with _head(place, port):
        is_on = is_running and place.wait_for(done + 1)
        seconds = time.monotonic() - since
        place.nas("search", "wait", number)
    outcome = examined(place.url, _NAME, total=_TRIALS, injected=1 if is_on else 0)
    note = f"evaluates again {seconds:.0f} s after the head was killed, {place.job().restarts} restarts"
    problems = [] if is_on else [f"head {first} was killed after the search had ended, or it did not go on"]
    return _with_state(replace(outcome, note=note), place, problems)


@contextmanager
def _head(place: _Place, port: int) -> Iterator[int]:
    """A Ray head with one processor; all its processes are killed at the end."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
            *(f"--port={port}", "--num-cpus=1", "--object-store-memory=268435456"),
            *("--node-ip-address=127.0.0.1", "--disable-usage-stats"),
        ],
        env=place.environment,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(5)
    try:
        yield process.pid
    finally:
        for pid in _family(process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def _family(pid: int) -> list[int]:
    """A process and all that descend from it, the oldest first."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _prepared(context: Context, *, workers: str) -> _Place:
    folder = context.place()
    model = folder / "bert"
    model.mkdir()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_WORDS]
    (model / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizer(vocab=str(model / "vocab.txt")).save_pretrained(model)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        max_position_embeddings=16,
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=32,
    )
    BertForSequenceClassification(config).save_pretrained(model)
    for name in ("train", "validation"):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            rows = [(f"{a} {b}", "warm" if a == "red" else "cold") for a in _WORDS for b in _WORDS]
            csv.writer(file).writerows([("text", "label"), *rows * _REPEATED_ROWS])
    (folder / "job.yaml").write_text(_CONFIG.format(trials=_TRIALS, workers=workers))
    token = folder / "token"
    token.write_text("chaos" * 10)
    token.chmod(0o600)
    root = Path(__file__).parents[2]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    environment.pop("NAS_STORAGE", None)
    return _Place(folder, environment)


def _with_state(outcome: Outcome, place: _Place, problems: list[str]) -> Outcome:
    job = place.job()
    if job.state is not JobState.COMPLETED:
        problems = [*problems, f"the job is {job.state}: {job.reason}"]
    return replace(outcome, problems=(*outcome.problems, *problems))
