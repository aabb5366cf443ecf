"""The one pass over the calibration data that all methods share, whatever number of them is asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch

from nas.importance.base import CalibrationBatch, Cost, Importance, Scores, Subject
from nas.importance.gradients import Gradients, loss_gradients
from nas.importance.hooks import Hooks, eval_mode
from nas.progress import Progress, no_progress
from search_spaces import ModelShape


class Observer(ABC):
    """What one method gathers while batches pass through the model."""

    def attach(self, hooks: Hooks) -> None:
        """Hang hooks on the modules whose activations matter; none unless overridden."""
        del hooks

    def see(self, gradients: Gradients) -> None:
        """Take a batch's gradients; ignored unless overridden."""
        del gradients

    @abstractmethod
    def scores(self) -> Scores:
        """Importance from all that was seen."""


class Observing(Importance):
    """A method that watches the shared pass: one forward a batch, and one gradient where it takes any.

    Attributes:
        takes_mask_gradients: whether its observer is shown gradients of the masks of heads and neurons.
    """

    takes_mask_gradients: ClassVar[bool] = False
    passes = ("B", "0")

    @abstractmethod
    def observer(self, subject: Subject) -> Observer:
        """A new observer of a model."""

    def weights(self, subject: Subject) -> Iterable[str]:
        """Names of the weights whose gradients its observer is shown; none unless overridden."""
        del subject
        return ()

    def cost(self, num_batches: int, shape: ModelShape) -> Cost:
        """One forward a batch, and one gradient where the method takes any."""
        del shape
        return Cost(forward=num_batches, backward=num_batches if self.needs_labels else 0)

    def score(
        self,
        subject: Subject,
        batches: Sequence[CalibrationBatch],
        *,
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> Scores:
        """One pass over the batches; padding is left out."""
        del seed
        return observe(subject, [self], batches, progress=progress)[self.name]


def observe(
    subject: Subject,
    methods: Sequence[Observing],
    batches: Sequence[CalibrationBatch],
    *,
    progress: Progress = no_progress,
) -> dict[str, Scores]:
    """Scores of several methods by name, from one forward and at most one gradient a batch."""
    observers = {method.name: method.observer(subject) for method in methods}
    has_masks = any(method.takes_mask_gradients for method in methods)
    weights = frozenset(name for method in methods for name in method.weights(subject))
    with eval_mode(subject.model), Hooks(subject) as hooks:
        for observer in observers.values():
            observer.attach(hooks)
        for done, batch in enumerate(batches, start=1):
            hooks.see(batch)
            if has_masks or weights:
                gradients = loss_gradients(subject, batch, has_masks=has_masks, weights=weights)
                for observer in observers.values():
                    observer.see(gradients)
            else:
                with torch.no_grad():
                    subject.task.forward(subject.model, batch.inputs)
            progress(done, len(batches), "calibration")
    return {name: observer.scores() for name, observer in observers.items()}


def shared_cost(methods: Sequence[Observing], num_batches: int) -> Cost:
    """Passes of `observe`."""
    has_gradients = any(method.needs_labels for method in methods)
    return Cost(
        forward=num_batches if methods else 0,
        backward=num_batches if has_gradients else 0,
    )
