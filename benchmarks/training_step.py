"""A training step of a supernet whose full network alone is sampled ÷ a plain training step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from benchmarks.machine import use_one_thread
from benchmarks.models import MINILM, TINY, random_model, random_supernet
from benchmarks.table import Goal, Row, median_of, shown
from nas.data import EncodedDataset
from nas.training import Budget, Pass, Standard, Step, TrainOptions, train_supernet

_GOAL: Final = Goal("<=", 1.05)
_LENGTH: Final = 32
_BATCH_SIZE: Final = 16
_STEPS: Final = 60
_WARM_UP_STEPS: Final = 3


def run(*, quick: bool) -> list[Row]:
    use_one_thread()
    name = TINY if quick else MINILM
    steps = 6 if quick else _STEPS
    supernet = random_supernet(name)
    data = _random_data(supernet.model.config, examples=_BATCH_SIZE * 8)
    options = TrainOptions(batch_size=_BATCH_SIZE, precision="float32")
    in_turn = _InTurn(_PlainTraining(random_model(name), data, options))
    train_supernet(supernet, data, strategy=in_turn, budget=Budget(passes=steps), options=options)
    own, plain = in_turn.own[_WARM_UP_STEPS:], in_turn.plain[_WARM_UP_STEPS:]
    wall, cpu = (
        median_of([a[clock] / b[clock] for a, b in zip(own, plain, strict=False)]) for clock in (0, 1)
    )
    milliseconds = np.median([[1000 * a[0], 1000 * b[0]] for a, b in zip(own, plain, strict=False)], axis=0)
    also = (
        f"wall {shown(wall)}; {milliseconds[0]:.3g} against {milliseconds[1]:.3g} ms wall, {len(own)} pairs"
    )
    case = f"supernet ÷ plain training step, {name}, {_BATCH_SIZE} × {_LENGTH}, fp32"
    return [Row(case=case, figure=cpu, goal=_GOAL, also=also)]


class _PlainTraining:
    """What a fine-tuning script for transformers does."""

    def __init__(self, model: nn.Module, data: EncodedDataset, options: TrainOptions) -> None:
        self._model = model.train()
        self._options = options
        self._weights = list(model.parameters())
        self._optimizer = torch.optim.AdamW(self._weights, lr=options.learning_rate, fused=True)
        self._scheduler = torch.optim.lr_scheduler.LambdaLR(self._optimizer, lambda step: 1 / (1 + step))
        self._batches = data.training_batches(options.batch_size, seed=0)

    def step(self) -> None:
        batch = next(self._batches)
        output: Any = self._model(**batch.inputs, labels=batch.labels)
        torch.autograd.backward(output.loss)
        nn.utils.clip_grad_norm_(self._weights, self._options.max_gradient_norm)
        self._optimizer.step()
        self._scheduler.step()
        self._optimizer.zero_grad()
        output.loss.item()


class _InTurn(Standard):
    """The strategy `standard`, with a plain step made, and timed, before each step of the supernet."""

    def __init__(self, plain: _PlainTraining) -> None:
        self._plain = plain
        self._started: tuple[float, float] | None = None
        self.own: list[tuple[float, float]] = []
        self.plain: list[tuple[float, float]] = []

    def passes(self, step: Step) -> Sequence[Pass]:
        """The full network; called once a step, so that two calls enclose a whole step."""
        if self._started is not None:
            self.own.append(_since(self._started))
        start = _now()
        self._plain.step()
        self.plain.append(_since(start))
        passes = super().passes(step)
        self._started = _now()
        return passes


def _now() -> tuple[float, float]:
    """Seconds of wall time and of the process's CPU time, since the backward pass has a thread of its own."""
    return time.perf_counter(), time.process_time()


def _since(start: tuple[float, float]) -> tuple[float, float]:
    wall, cpu = _now()
    return wall - start[0], cpu - start[1]


def _random_data(config: Any, *, examples: int) -> EncodedDataset:
    generator = np.random.default_rng(0)
    return EncodedDataset(
        tokens=generator.integers(0, config.vocab_size, examples * _LENGTH, dtype=np.int32),
        offsets=np.arange(examples + 1, dtype=np.int64) * _LENGTH,
        token_types=None,
        labels=generator.integers(0, config.num_labels, examples),
        label_names=tuple(f"class {index}" for index in range(config.num_labels)),
        max_length=_LENGTH,
        pad_token_id=0,
        padding_side="right",
    )
