"""What an evaluation costs: padding, passes, what is not the forward, and what could be shared or compiled.

MiniLM on sentences of SST-2 in the order of a staged search; the head is random, which changes no time.
"""

from __future__ import annotations

import pickle
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch

import nas
from benchmarks.assets import minilm, smollm2
from benchmarks.machine import use_one_thread
from benchmarks.pairs import paired_row
from benchmarks.stopwatch import Stopwatch, Time
from benchmarks.table import Goal, Row, median_of
from nas.data import EncodedDataset
from nas.evaluation import DatasetEvaluator, arrays_of, skeleton_of
from nas.evaluation.batching import BatchSize
from nas.evaluation.dataset import evaluate
from search_spaces import SubnetConfig
from workers.intervals import Interval

_SENTENCES: Final = Path("../shared/data/sst2/dev.tsv")
_EXAMPLES: Final = 872
_STAGES: Final = ((0, 32), (32, 64), (64, 128), (128, 256), (256, 512), (512, 872), (0, 872))
_PRECISIONS: Final[tuple[Literal["float32", "bfloat16"], ...]] = ("float32", "bfloat16")
_MOST_OVERHEAD: Final = Goal("<=", 0.05)
_REPEATS: Final = 15
_BLOCKS: Final = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A worker's evaluator and a sub-network whose layers differ."""

    evaluator: DatasetEvaluator
    worker: Any
    subnet: SubnetConfig

    def evaluate(self, part: tuple[int, int]) -> Any:
        """One task of a staged search, as a worker does it."""
        return self.worker({**self.subnet.to_json(), "examples": list(part)})

    @property
    def model(self) -> Any:
        """The model that the worker evaluates."""
        return self.worker._supernet.model


def run(*, quick: bool) -> list[Row]:
    """Rows on one thread."""
    use_one_thread()
    stages = _STAGES[:1] if quick else _STAGES
    rows: list[Row] = []
    for precision in _PRECISIONS[:1] if quick else _PRECISIONS:
        auto, fixed = (_case(precision, batch_size) for batch_size in ("auto", 64))
        rows += [_batch_row(precision, part, auto, fixed, quick=quick) for part in stages]
        rows += [_overhead_row(precision, part, auto, quick=quick) for part in (stages[0], stages[-1])]
        rows.append(_embedding_row(precision, auto, quick=quick))
        rows.append(_pass_row(precision, auto, quick=quick))
    return rows if quick else [*rows, _language_model_row(), *_compiled_rows(_case("float32", "auto"))]


def _case(precision: Literal["float32", "bfloat16"], batch_size: BatchSize) -> Case:
    asset = minilm()
    if asset.folder is None:
        raise SystemExit(asset.reason)
    supernet = nas.Supernet.from_pretrained(asset.folder, num_labels=2)
    sentences = nas.load_examples(_SENTENCES, text="sentence").limit(_EXAMPLES)
    data = nas.encode(sentences, supernet.tokenizer, max_length=64)
    given = DatasetEvaluator(data=data, precision=precision, batch_size=batch_size)
    evaluator = given.prepare(supernet)
    worker = evaluator.factory(skeleton_of(supernet))(arrays_of(supernet))
    return Case(
        evaluator=evaluator, worker=worker, subnet=supernet.space("medium").sample(np.random.default_rng(1))
    )


def _batch_row(precision: str, part: tuple[int, int], auto: Case, fixed: Case, *, quick: bool) -> Row:
    return paired_row(
        f"batches of 64 ÷ auto, {precision}, examples {part[0]} to {part[1]}",
        lambda: auto.evaluate(part),
        lambda: fixed.evaluate(part),
        goal=None,
        quick=quick,
        is_speed_up=True,
    )


def _overhead_row(precision: str, part: tuple[int, int], case: Case, *, quick: bool) -> Row:
    """Worker and driver: all but the forward, from the payload to merged metrics and stored bytes."""
    case.evaluate(part)
    watch, shares, milliseconds = Stopwatch(case.model, ["forward"]), [], []
    for _ in range(2 if quick else _REPEATS):
        before, start = watch.total, Time.now()
        quality = pickle.loads(pickle.dumps(case.evaluate(part)))
        case.evaluator.merged([quality, quality])
        quality.outcome.to_bytes()
        spent, forward = Time.now() - start, watch.total - before
        shares.append(1 - forward.cpu / spent.cpu)
        milliseconds.append(1e3 * (spent.cpu - forward.cpu))
    return Row(
        case=f"all but the forward ÷ evaluation, {precision}, examples {part[0]} to {part[1]}",
        figure=median_of(shares),
        goal=_MOST_OVERHEAD,
        also=f"{np.median(milliseconds):.2f} ms",
    )


def _embedding_row(precision: str, case: Case, *, quick: bool) -> Row:
    """What could be saved at most if candidates shared their embeddings."""
    whole = Stopwatch(case.model, ["forward"])
    embeddings = Stopwatch(case.model.bert.embeddings, ["forward"])
    shares = []
    for _ in range(2 if quick else _REPEATS):
        before = whole.total, embeddings.total
        case.evaluate(_STAGES[0] if quick else _STAGES[-1])
        shares.append((embeddings.total - before[1]).cpu / (whole.total - before[0]).cpu)
    return Row(case=f"embeddings ÷ forward, {precision}", figure=median_of(shares))


def _pass_row(precision: str, case: Case, *, quick: bool) -> Row:
    """The constant of a straight line through forwards of 16 to 1,024 tokens, each weighed by its time."""
    shapes = [(1, 16), (4, 8), (8, 16), (16, 16), (32, 16), (32, 32)][: 3 if quick else 6]
    tokens, seconds = np.array([rows * width for rows, width in shapes]), np.empty(len(shapes))
    with case.worker._supernet.active(case.subnet) as model, torch.inference_mode():
        for index, (rows, width) in enumerate(shapes):
            inputs = torch.arange(rows * width).reshape(rows, width) + 1000
            seconds[index] = _median_cpu(partial(model, input_ids=inputs), 2 if quick else 9)
    design = np.stack([np.ones(len(tokens)), tokens], axis=1) / seconds[:, None]
    fixed, each = np.linalg.lstsq(design, np.ones(len(tokens)), rcond=None)[0]
    return Row(
        case=f"a forward pass besides its tokens, {precision}",
        figure=Interval(estimate=1e3 * fixed, low=1e3 * fixed, high=1e3 * fixed),
        unit="ms",
        also=f"as {fixed / each:.0f} tokens of {1e3 * each:.3f} ms",
    )


def _language_model_row() -> Row:
    """SmolLM2 on blocks of 256 tokens: the batches are bounded by the memory of logits."""
    asset = smollm2()
    if asset.folder is None:
        raise SystemExit(asset.reason)
    supernet = nas.Supernet.from_pretrained(asset.folder, task="causal-lm")
    model: Any = supernet.model
    model.to(torch.bfloat16)
    tokens = np.random.default_rng(0).integers(5, 40_000, _BLOCKS * 256).astype(np.int32)
    data = EncodedDataset(
        tokens=tokens,
        labels=tokens,
        offsets=np.arange(_BLOCKS + 1) * 256,
        token_types=None,
        label_names=(),
        max_length=256,
        pad_token_id=0,
        padding_side="right",
        label_layout="next-token",
    )
    seconds, gigabytes = {}, {}
    for batch_size in ("auto", 64):  # the peak of a process only grows
        start = time.thread_time()
        evaluate(supernet, supernet.full, data, batch_size=batch_size)
        seconds[batch_size] = time.thread_time() - start
        gigabytes[batch_size] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    ratio = seconds[64] / seconds["auto"]
    return Row(
        case=f"one batch ÷ auto, SmolLM2, bfloat16, {_BLOCKS} × 256",
        figure=Interval(estimate=ratio, low=ratio, high=ratio),
        also=f"peak memory of the process {gigabytes[64]:.2f} against {gigabytes['auto']:.2f} GiB",
    )


def _median_cpu(function: Callable[[], object], times: int) -> float:
    function()
    seconds = []
    for _ in range(times):
        start = time.thread_time()
        function()
        seconds.append(time.thread_time() - start)
    return float(np.median(seconds))


def _compiled_rows(case: Case) -> Iterator[Row]:
    """`torch.compile` of two active sub-networks one after the other, at one shape."""
    inputs = {
        "input_ids": torch.arange(256).reshape(16, 16) + 1000,
        "attention_mask": torch.ones(16, 16, dtype=torch.int64),
    }
    supernet = case.worker._supernet
    compiled: Callable[..., Any] = torch.compile(supernet.model)
    for seed in (1, 2):
        subnet = supernet.space("medium").sample(np.random.default_rng(seed))
        with supernet.active(subnet) as model, torch.inference_mode():
            start = time.perf_counter()
            compiled(**inputs)
            seconds = time.perf_counter() - start
            yield Row(
                case=f"compiling sub-network {seed}",
                figure=Interval(estimate=seconds, low=seconds, high=seconds),
                unit="s",
            )
            yield paired_row(
                f"active ÷ compiled, sub-network {seed}, 16 × 16",
                lambda: compiled(**inputs),
                partial(model, **inputs),
                goal=None,
                quick=False,
                is_speed_up=True,
            )
