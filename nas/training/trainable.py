"""Which weights are trained: all of them, adapters, or biases and norms."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from nas.errors import ConfigError
from nas.families.family import base_prefix
from nas.supernet import Supernet
from nas.tasks import task_of
from nas.training.lora import adapted
from nas.training.optimizer import no_gradients, trainable_weights
from nas.training.options import TrainOptions

Weights = dict[str, nn.Parameter]


@contextmanager
def training_weights(supernet: Supernet, options: TrainOptions) -> Iterator[Weights]:
    """The weights to train by name; for the length of the block no others get gradients.

    Adapters are merged at its end, also after an error: the supernet is then an ordinary one again, with
    the training that it had until then.

    Raises:
        ConfigError: a pattern of `frozen` that no weight's name contains, or nothing left to train.
    """
    if options.trainable == "lora":
        with adapted(supernet, options.lora, seed=options.seed) as adapters:
            chosen = adapters | (_head(supernet) if task_of(supernet.task).generates is False else {})
            with _only(supernet.model, chosen, options.frozen) as weights:
                yield weights
        return
    chosen = dict(supernet.model.named_parameters())
    if options.trainable == "perp":
        vectors = {name: weight for name, weight in chosen.items() if weight.ndim <= 1}
        chosen = vectors | _head(supernet)
    with _only(supernet.model, chosen, options.frozen) as weights:
        yield weights


@contextmanager
def _only(model: nn.Module, chosen: Weights, frozen: tuple[str, ...]) -> Iterator[Weights]:
    kept = trainable_weights(model, frozen)
    weights = {name: weight for name, weight in chosen.items() if name in kept}
    if not weights:
        raise ConfigError(f"frozen: {list(frozen)} leaves no weight to train")
    with no_gradients(model, but=weights.values()):
        yield weights


def _head(supernet: Supernet) -> Weights:
    """Weights outside the base model; a language model's output that is tied to the embeddings is not."""
    prefix = base_prefix(supernet.model)
    named = supernet.model.named_parameters()  # tied weights under their first name, the embedding's
    return {name: weight for name, weight in named if prefix and not name.startswith(prefix)}
