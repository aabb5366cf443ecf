"""The OpenAPI document: what FastAPI writes, as version 3.1 allows it, with examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fastapi import FastAPI

_SEARCH: Final = {
    "version": 1,
    "name": "sentiment",
    "model": {"id": "bundled", "task": "sequence-classification"},
    "data": {"train": "reviews-train", "validation": "reviews-validation"},
    "objectives": ["max accuracy", "min latency_ms"],
    "constraints": ["num_parameters <= 0.6 * baseline"],
    "search": {"trials": 200},
}
#: Bodies by operation.
EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "submit_job": {"config": _SEARCH},
    "edit_job": {"trials": 400},
    "profile_space": {"config": _SEARCH},
    "select_trial": {"where": ["latency_ms <= 6", "accuracy >= 0.98 * baseline"]},
    "submit_export": {"study": "alice.sentiment", "trial": 42, "formats": ["hf", "onnx"]},
    "put_target": {"backend": "onnxruntime", "device": "cpu", "sequence_length": 128},
}
#: Of OpenAPI 3.2; events are described by the route's own words.
_TOO_NEW: Final = "itemSchema"


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of an application."""
    document: dict[str, Any] = app.openapi()
    for operation in operations(document):
        for answer in operation["responses"].values():
            for content in answer.get("content", {}).values():
                content.pop(_TOO_NEW, None)
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is not None and operation["operationId"] in EXAMPLES:
            body["example"] = EXAMPLES[operation["operationId"]]
    return document


def operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every operation of an OpenAPI document."""
    for methods in document["paths"].values():
        for method, operation in methods.items():
            if method in ("get", "put", "post", "patch", "delete"):
                yield operation
