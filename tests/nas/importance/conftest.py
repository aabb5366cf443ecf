"""Full models to score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nas.families import family_of
from nas.importance.base import Subject
from nas.supernet.activation import ElasticModel
from nas.tasks import task_of


@pytest.fixture(scope="session")
def make_subject(tiny_model: Callable[..., Any]) -> Callable[..., Subject]:
    """A tiny model with its description; arguments as `tiny_model`, float64 unless told."""

    def make(kind: str = "bert", **options: Any) -> Subject:
        model = tiny_model(kind, **({"dtype": "float64"} | options))
        family = family_of(model.config.model_type)
        shape = family.describe(model)
        return Subject(
            model=model,
            shape=shape,
            family=family,
            task=task_of("regression" if options.get("num_labels") == 1 else "sequence-classification"),
            active=ElasticModel(model, shape, family).active,
        )

    return make
