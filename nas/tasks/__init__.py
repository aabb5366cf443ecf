"""What a model's head is for: its transformers class, its metric, its losses."""

from __future__ import annotations

from nas.tasks.alignment import Aligned, aligned
from nas.tasks.encoding import Encoding, encode_for
from nas.tasks.fitting import max_tokens
from nas.tasks.heads import head_class
from nas.tasks.losses import ExampleLosses, distillation_loss, example_losses, mean_loss
from nas.tasks.task import TASKS, Task, task_of

__all__ = [
    "TASKS",
    "Aligned",
    "Encoding",
    "ExampleLosses",
    "Task",
    "aligned",
    "distillation_loss",
    "encode_for",
    "example_losses",
    "head_class",
    "max_tokens",
    "mean_loss",
    "task_of",
]
