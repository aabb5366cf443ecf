"""OpenVINO on the processor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from nas.evaluation.runtimes.exported import ExportedRuntime
from nas.evaluation.runtimes.onnx_runtime import step_inputs
from nas.evaluation.runtimes.runtime import Calls

# Said outright: left alone, OpenVINO computes in bfloat16 wherever the processor can.
_PRECISIONS: Final[Mapping[str, str]] = MappingProxyType({"float32": "f32", "bfloat16": "bf16"})


class OpenVinoRuntime(ExportedRuntime):
    """One request after the other, tuned for latency."""

    file_kind = "openvino"

    def _open(self, path: Path) -> Calls:
        import openvino

        target = self._target
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": target.threads,
            "INFERENCE_PRECISION_HINT": _PRECISIONS[target.dtype],
        }
        compiled = openvino.Core().compile_model(path, "CPU", settings)
        if target.decode_length:
            return _generating(compiled, self._feed()["input_ids"], target.decode_length)
        names = {name for port in compiled.inputs for name in port.names}
        feed = {name: array for name, array in self._feed().items() if name in names}
        request = compiled.create_infer_request()
        return Calls(whole=lambda: request.infer(feed))


def _generating(compiled: Any, prompt: np.ndarray, steps: int) -> Calls:
    """Greedy generation; the cache is the request's own state."""
    request = compiled.create_infer_request()
    names = {name for port in compiled.inputs for name in port.names}
    rows = np.arange(len(prompt), dtype=np.int32)

    def step(tokens: np.ndarray, start: int) -> np.ndarray:
        feed = {**step_inputs(tokens, start), "beam_idx": rows}
        found = request.infer({name: array for name, array in feed.items() if name in names})
        logits: np.ndarray = found["logits"]
        return logits

    def prefill() -> tuple[np.ndarray]:
        request.reset_state()
        return (step(prompt, 0),)

    def whole() -> tuple[np.ndarray]:
        (logits,) = prefill()
        for index in range(steps):
            logits = step(logits[:, -1:].argmax(-1), prompt.shape[1] + index)
        return (logits[:, -1:],)

    return Calls(whole=whole, prefill=prefill)
