"""What the measured seeds know of a supernet, each fact measured once and counted in passes."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import cached_property
from typing import Final

import numpy as np
import torch

from nas.importance import CalibrationBatch, Scores, importance_of, score_units, scoring_cost
from nas.importance.base import Subject
from nas.importance.hooks import eval_mode
from nas.progress import Progress, no_progress
from nas.search.design.block_scores import BlockScores, Measured
from nas.search.design.probes import PLANS, Plan, probes_of, rest_of
from nas.supernet import Supernet
from nas.tasks import task_of
from search_spaces import SearchSpace, SubnetConfig
from search_spaces.units import count

logger = logging.getLogger(__name__)

#: Forward passes of a batch for the block scores.
PASSES: Final = 160
#: Narrower embeddings that are probed at most, where a space has them.
_HIDDEN_PROBES: Final = 2
#: Scores heads and neurons where the supernet was ranked by something that does not score both.
FALLBACK: Final = "fisher_mask"


class SeedMeasurements:
    """Losses, block scores and unit scores of a supernet on its own calibration data.

    Made by `of`; nothing is measured before it is asked for, and nothing twice.

    Attributes:
        passes: forward passes of one batch so far.
        backward_passes: gradients taken so far.
        seconds: time spent so far.
    """

    def __init__(self, supernet: Supernet, *, passes: int = PASSES, progress: Progress = no_progress) -> None:
        self._supernet, self._budget, self._progress = supernet, passes, progress
        self._scores: dict[tuple[int, ...], BlockScores] = {}
        self._sums: dict[str, np.ndarray] = {}
        self._counts: np.ndarray | None = None
        self.passes = self.backward_passes = 0
        self.seconds = 0.0

    @staticmethod
    def of(
        supernet: Supernet, *, passes: int = PASSES, progress: Progress = no_progress
    ) -> SeedMeasurements | None:
        """Measurements of a supernet; None where it remembers no labelled calibration data.

        Args:
            supernet: with `calibration`, which `rank` and `calibrate` leave behind.
            passes: forward passes of one batch that the block scores may take; they take more where even
                one size of each sub-layer and one batch are more.
            progress: told as probes are measured.
        """
        if not supernet.calibration or any(batch.labels is None for batch in supernet.calibration):
            return None
        return SeedMeasurements(supernet, passes=passes, progress=progress)

    def block_scores(self, space: SearchSpace) -> BlockScores:
        """Of every sub-layer, and of the embedding dimension where the space has several."""
        points = (space.smallest(), space.middle())
        hidden = tuple(sorted({count(config.hidden) for config in points} - {space.shape.hidden_size}))
        if hidden not in self._scores:
            self._scores[hidden] = self._measured(hidden)
        return self._scores[hidden]

    @cached_property
    def unit_scores(self) -> Scores:
        """Importance of heads and neurons, by the method that the supernet was ranked by."""
        ranked = {self._supernet.ranking.get(axis) for axis in ("heads", "ffn")}
        name = ranked.pop() if len(ranked) == 1 else None
        if name is None or not {"heads", "ffn"} <= importance_of(name).axes:
            name = FALLBACK
        begun, batches = time.monotonic(), self._batches
        scores = score_units(self._subject, [name], batches)[name]
        cost = scoring_cost([name], len(batches), self._supernet.shape)
        self._count(cost.forward, cost.backward, begun)
        return scores

    def loss(self, config: SubnetConfig) -> float:
        """Mean loss of a canonical sub-network on the calibration data in use."""
        sums = self._losses(config)
        assert self._counts is not None
        return float(sums.sum() / max(1, self._counts.sum()))

    def _measured(self, hidden: tuple[int, ...]) -> BlockScores:
        shape, plan = self._supernet.shape, self._plan
        rest = rest_of(shape, plan)
        probes = probes_of(shape, plan, hidden_sizes=hidden)
        before = self.passes, self.seconds
        measured = []
        for done, probe in enumerate(probes, start=1):
            increase, error = self._increase(probe.config, rest)
            measured.append(Measured(probe=probe, increase=increase, error=error))
            self._progress(done, len(probes), "block scores for the first sub-networks")
        logger.info(
            "block scores: %d sizes of sub-layers in %d passes, %.1f s",
            len(probes),
            self.passes - before[0],
            self.seconds - before[1],
        )
        return BlockScores.of(shape, rest, measured)

    def _increase(self, config: SubnetConfig, rest: SubnetConfig) -> tuple[float, float]:
        """Paired difference of the mean loss, and its standard error as of a ratio of sums."""
        difference = self._losses(config) - self._losses(rest)
        assert self._counts is not None
        items = max(1, self._counts.sum())
        increase = float(difference.sum() / items)
        residual = difference - increase * self._counts
        return increase, float(np.sqrt(np.square(residual).sum()) / items)

    def _losses(self, config: SubnetConfig) -> np.ndarray:
        """Summed loss of each example, `(examples,)`."""
        if config.key not in self._sums:
            begun = time.monotonic()
            with eval_mode(self._supernet.model), torch.no_grad():
                self._sums[config.key], self._counts = _example_losses(self._subject, config, self._batches)
            self._count(len(self._batches), 0, begun)
        return self._sums[config.key]

    @cached_property
    def _plan(self) -> Plan:
        """The finest plan for which the budget has a pass each, otherwise the coarsest."""
        affordable = [plan for plan in PLANS if self._evaluations(plan) <= self._budget]
        return affordable[0] if affordable else PLANS[-1]

    @cached_property
    def _batches(self) -> Sequence[CalibrationBatch]:
        """Batches that the budget has for each probe, at least one, evenly spaced: they may be sorted."""
        every = self._supernet.calibration
        number = min(len(every), max(1, self._budget // self._evaluations(self._plan)))
        return [every[int((step + 0.5) * len(every) / number)] for step in range(number)]

    def _evaluations(self, plan: Plan) -> int:
        """Sub-networks that a plan evaluates at most."""
        return 1 + len(probes_of(self._supernet.shape, plan)) + _HIDDEN_PROBES

    @cached_property
    def _subject(self) -> Subject:
        supernet = self._supernet
        return Subject(
            model=supernet.model,
            shape=supernet.shape,
            family=supernet.family,
            task=task_of(supernet.task),
            active=supernet.active,
        )

    def _count(self, forward: int, backward: int, begun: float) -> None:
        self.passes += forward
        self.backward_passes += backward
        self.seconds += time.monotonic() - begun


def _example_losses(
    subject: Subject, config: SubnetConfig, batches: Sequence[CalibrationBatch]
) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the losses of each example, `(examples,)` each."""
    sums, counts = [], []
    with subject.active(config) as model:
        for batch in batches:
            assert batch.labels is not None, "a loss needs labels"
            labels = batch.labels.to(next(model.parameters()).device)
            outputs = subject.task.forward(model, batch.inputs)
            losses = subject.task.example_losses(outputs, labels, batch.inputs)
            sums.append(losses.sums.double().cpu().numpy())
            counts.append(losses.counts.cpu().numpy())
    return np.concatenate(sums), np.concatenate(counts)
