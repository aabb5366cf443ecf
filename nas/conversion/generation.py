"""Writing a causal model with its key-value cache: one graph that reads a prompt and goes on from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from nas.conversion.forward import save_onnx
from nas.conversion.settings import Runtime, file_of, quiet


def write_generation(
    model: PreTrainedModel, runtime: Runtime, inputs: dict[str, torch.Tensor], folder: Path
) -> None:
    """Write the graph that takes any number of tokens after any number of remembered ones.

    ONNX Runtime is handed the cache and hands it back; OpenVINO keeps it as its state. Converters raise
    errors of any class.

    Args:
        model: causal, in float32 on the processor.
        runtime: which one.
        inputs: a prompt of two rows or more.
        folder: where to; it exists.
    """
    from transformers.exporters.utils import decompose_for_generation

    with quiet():
        parts = decompose_for_generation(model, inputs, multi_token_decode=True)
        part, sample = parts["decode"]
        program, exporter = _export(runtime, part, sample)
        path = folder / file_of(runtime)
        if runtime == "onnx":
            save_onnx(program, path, model)
        else:
            exporter.save_program(program, path)


def _export(runtime: Runtime, part: Any, sample: Any) -> tuple[Any, Any]:
    from transformers.exporters.configs import OnnxConfig, OpenVINOConfig

    kind: Any
    if runtime == "onnx":
        from transformers.exporters.exporter_onnx import OnnxExporter

        kind = OnnxExporter
    else:
        from transformers.exporters.exporter_openvino import OpenVINOExporter

        kind = OpenVINOExporter
    exporter = kind()
    config = OnnxConfig(dynamic=True) if runtime == "onnx" else OpenVINOConfig(dynamic=True)
    return exporter.export(part, sample, config=config).program, exporter
