"""The tasks: one description each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import torch

from nas.data import BatchedDataset, LabelKind
from nas.errors import ConfigError
from nas.metrics import Direction, Metric, metric
from nas.names import entry
from nas.tasks.alignment import Aligned, aligned
from nas.tasks.fitting import check_end_tokens, check_positions
from nas.tasks.losses import ExampleLosses, distillation_loss, example_losses, mean_loss

#: What data of each kind of label are made with.
_MADE_BY: Final[Mapping[LabelKind, str]] = MappingProxyType(
    {
        "class": "one class an example (nas.data.encode or encode_images)",
        "number": "one number an example (nas.data.encode of Examples without label_names)",
        "tags": "one class a word (nas.data.encode_tagged)",
        "next-token": "text packed into blocks (nas.data.pack_texts)",
        "masked-token": "text packed into blocks with masked tokens (nas.data.mask_texts)",
        "target-text": "a target text an example (nas.data.encode_targets or encode_features)",
        "similarity": "two texts and a score an example (nas.data.encode_sentence_pairs)",
    }
)


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a model's head is for.

    Attributes:
        name: as users write it.
        auto_class: name of the transformers class that builds the model with its head.
        mapping: name of transformers' table of the model types that have such a head.
        labels: what a label is, and so how labels lie beside the outputs.
        metric: the metric that is reported where none is named.
        generates: whether the head predicts tokens of a text, so that it has a perplexity.
        has_cache: whether the forward keeps keys and values for generation unless told not to.
    """

    name: str
    auto_class: str
    mapping: str
    labels: LabelKind
    metric: str
    generates: bool = False
    has_cache: bool = False

    @property
    def direction(self) -> Direction:
        """Whether larger or smaller values of the default metric are better."""
        return metric(self.metric).direction

    @property
    def has_classes(self) -> bool:
        """Whether the head's outputs are classes that the user names or counts."""
        return self.labels in ("class", "tags")

    def forward(self, model: Any, inputs: Mapping[str, torch.Tensor]) -> Any:
        """The model's output; inputs go to its device, numbers to its precision unless autocast does that."""
        weight = next(model.parameters())
        to_dtype = weight.dtype if not torch.is_autocast_enabled(weight.device.type) else None
        moved = {
            name: tensor.to(weight.device, to_dtype if tensor.is_floating_point() else None)
            for name, tensor in inputs.items()
        }
        options = {"use_cache": False} if self.has_cache else {}
        return model(**moved, **options)

    def align(self, outputs: Any, labels: torch.Tensor, inputs: Mapping[str, torch.Tensor]) -> Aligned:
        """The counted items of a batch; see `aligned`."""
        return aligned(self.labels, outputs, labels, inputs)

    def example_losses(
        self, outputs: Any, labels: torch.Tensor, inputs: Mapping[str, torch.Tensor]
    ) -> ExampleLosses:
        """Sum and number of the losses of each example."""
        return example_losses(self.align(outputs, labels, inputs))

    def loss(self, outputs: Any, labels: torch.Tensor, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Mean over the counted items: what training minimises."""
        return mean_loss(self.align(outputs, labels, inputs))

    def summed_loss(
        self, outputs: Any, labels: torch.Tensor, inputs: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Sum over the counted items: `loss` without its division, so it adds up over batches."""
        return self.example_losses(outputs, labels, inputs).sums.sum()

    def distillation_loss(
        self,
        student: Any,
        teacher: Any,
        labels: torch.Tensor,
        inputs: Mapping[str, torch.Tensor],
        *,
        temperature: float,
    ) -> torch.Tensor:
        """Distillation of one model output from another on the counted items; see `nas.tasks.losses`."""
        own = self.align(student, labels, inputs).predictions
        return distillation_loss(own, self.align(teacher, labels, inputs).predictions, temperature)

    def metric_of(self, name: str) -> Metric:
        """A metric by name.

        Raises:
            ConfigError: there is none of that name, or it does not apply to this task.
        """
        found = metric(name)
        numeric = self.labels in ("number", "similarity")
        allowed = "regression" if numeric else "classification"
        if found.kind == allowed or name == "loss" or (name == "perplexity" and self.generates):
            return found
        others = "loss, perplexity" if self.generates else "loss"
        raise ConfigError(
            f"metric {name!r} does not apply to task {self.name}; choose {allowed} metrics or {others}"
        )

    def check(self, data: BatchedDataset, config: Any) -> None:
        """Raise ConfigError unless the data have this task's labels and fit the model."""
        if data.label_kind != self.labels:
            raise ConfigError(
                f"task {self.name} needs data with {_MADE_BY[self.labels]}, but these have "
                f"{_MADE_BY[data.label_kind]}; make other data, or load the model for another task"
            )
        if self.has_classes or self.labels == "number":
            data.check_labels(int(config.num_labels))
        check_positions(data, config)
        if self.labels in ("class", "number"):
            check_end_tokens(data, config)


TASKS: Final[Mapping[str, Task]] = MappingProxyType(
    {
        task.name: task
        for task in (
            Task(
                name="sequence-classification",
                auto_class="AutoModelForSequenceClassification",
                mapping="MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING",
                labels="class",
                metric="accuracy",
            ),
            Task(
                name="regression",
                auto_class="AutoModelForSequenceClassification",
                mapping="MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING",
                labels="number",
                metric="spearman",
            ),
            Task(
                name="token-classification",
                auto_class="AutoModelForTokenClassification",
                mapping="MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING",
                labels="tags",
                metric="f1_macro",
            ),
            Task(
                name="causal-lm",
                auto_class="AutoModelForCausalLM",
                mapping="MODEL_FOR_CAUSAL_LM_MAPPING",
                labels="next-token",
                metric="perplexity",
                generates=True,
                has_cache=True,
            ),
            Task(
                name="seq2seq-lm",
                auto_class="AutoModelForSeq2SeqLM",
                mapping="MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING",
                labels="target-text",
                metric="loss",
                generates=True,
                has_cache=True,
            ),
            Task(
                name="masked-lm",
                auto_class="AutoModelForMaskedLM",
                mapping="MODEL_FOR_MASKED_LM_MAPPING",
                labels="masked-token",
                metric="loss",
                generates=True,
            ),
            Task(
                name="feature-extraction",
                auto_class="AutoModel",
                mapping="MODEL_MAPPING",
                labels="similarity",
                metric="spearman",
            ),
            Task(
                name="image-classification",
                auto_class="AutoModelForImageClassification",
                mapping="MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING",
                labels="class",
                metric="accuracy",
            ),
        )
    }
)
"""Every task by name."""


def task_of(name: str) -> Task:
    """The task of a name; ConfigError with the nearest known name otherwise."""
    return entry(TASKS, name, "task")
