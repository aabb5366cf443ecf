"""ONNX Runtime on the processor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from nas.evaluation.runtimes.exported import ExportedRuntime
from nas.evaluation.runtimes.runtime import Calls

# The exporter's names of the cache, as the graph reads it and as it hands it back.
_READ: Final = "input."
_WRITTEN: Final = "output."
_ERROR: Final = 3  # severity below which nothing is logged


class OnnxRuntime(ExportedRuntime):
    """Operators run one after the other, each on the target's threads."""

    file_kind = "onnx"

    def _open(self, path: Path) -> Calls:
        session = self._session(path)
        if self._target.decode_length:
            return _generating(session, self._feed()["input_ids"], self._target.decode_length)
        names = {value.name for value in session.get_inputs()}
        feed = {name: array for name, array in self._feed().items() if name in names}
        return Calls(whole=lambda: session.run(None, feed))

    def _session(self, path: Path) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._target.threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = _ERROR
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _generating(session: Any, prompt: np.ndarray, steps: int) -> Calls:
    """Greedy generation; the cache is an input and an output of every step."""
    outputs = [value.name for value in session.get_outputs()]
    read = {value.name: value for value in session.get_inputs() if value.name.startswith(_READ)}
    others = {value.name for value in session.get_inputs()} - set(read)
    empty = {name: _empty(value, len(prompt)) for name, value in read.items()}

    def step(tokens: np.ndarray, start: int, cache: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        feed = step_inputs(tokens, start)
        found = session.run(outputs, {**{name: feed[name] for name in others}, **cache})
        return dict(zip(outputs, found, strict=True))

    def prefill() -> dict[str, np.ndarray]:
        return step(prompt, 0, empty)

    def whole() -> tuple[np.ndarray]:
        found = prefill()
        for index in range(steps):
            cache = {name: found[_WRITTEN + name.removeprefix(_READ)] for name in read}
            token = found["logits"][:, -1:].argmax(-1)
            found = step(token, prompt.shape[1] + index, cache)
        return (found["logits"][:, -1:],)

    return Calls(whole=whole, prefill=prefill)


def step_inputs(tokens: np.ndarray, start: int) -> dict[str, np.ndarray]:
    """What a graph may ask for besides its cache, of tokens `(batch, new)` after `start` earlier ones."""
    rows, new = tokens.shape
    positions = np.broadcast_to(np.arange(start, start + new), (rows, new))
    return {
        "input_ids": tokens,
        "attention_mask": np.ones((rows, start + new), dtype=np.int64),
        "position_ids": np.ascontiguousarray(positions),
    }


def _empty(value: Any, rows: int) -> np.ndarray:
    """A cache without tokens: the first open axis counts rows, the second tokens."""
    open_axes = [rows, 0]
    sizes = [size if isinstance(size, int) or str(size).isdigit() else None for size in value.shape]
    return np.zeros([open_axes.pop(0) if size is None else int(size) for size in sizes], dtype=np.float32)
