"""Writing one forward pass for ONNX Runtime and OpenVINO."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from transformers import PreTrainedModel

from nas.conversion.settings import Runtime, file_of, num_open, open_axes, quiet

#: One protobuf file holds less than 2 GiB; larger weights go to a file beside it.
_ONE_FILE_BYTES: Final = 1_900_000_000


def write_forward(
    model: PreTrainedModel, runtime: Runtime, inputs: dict[str, torch.Tensor], folder: Path
) -> None:
    """Write `model.onnx`, or `model.xml` and `model.bin`; a causal model without its cache.

    Converters raise errors of any class.

    Args:
        model: in float32 on the processor.
        runtime: which one.
        inputs: to trace with, of two rows or more: one row would freeze the batch axis.
        folder: where to; it exists.
    """
    with quiet():
        WRITERS[runtime](model, inputs, folder)


def save_onnx(program: Any, path: Path, model: torch.nn.Module) -> None:
    """Write an ONNX graph, with weights beside it if they do not fit into one file."""
    import onnx_ir

    size = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    onnx_ir.save(program, path, external_data=f"{path.name}_data" if size > _ONE_FILE_BYTES else None)


def _write_onnx(model: PreTrainedModel, inputs: dict[str, torch.Tensor], folder: Path) -> None:
    from transformers.exporters.configs import OnnxConfig
    from transformers.exporters.exporter_onnx import OnnxExporter

    config = OnnxConfig(dynamic=True, dynamic_shapes=open_axes(inputs))
    exporter: Any = OnnxExporter
    program = exporter().export(model, {**inputs, "use_cache": False}, config=config).program
    _name_axes(program.graph, inputs)
    save_onnx(program, folder / file_of("onnx"), model)


def _write_openvino(model: PreTrainedModel, inputs: dict[str, torch.Tensor], folder: Path) -> None:
    from transformers.exporters.configs import OpenVINOConfig
    from transformers.exporters.exporter_openvino import OpenVINOExporter

    config = OpenVINOConfig(dynamic=True, dynamic_shapes=open_axes(inputs))
    exporter: Any = OpenVINOExporter
    program = exporter().export(model, {**inputs, "use_cache": False}, config=config).program
    exporter.save_program(program, folder / file_of("openvino"))


WRITERS: Final = {"onnx": _write_onnx, "openvino": _write_openvino}


def _name_axes(graph: Any, inputs: Mapping[str, torch.Tensor]) -> None:
    """Words in place of the numbered symbols of the axes of inputs."""
    import onnx_ir

    words: dict[str, str] = {}
    for value in graph.inputs:
        length = "decoder_sequence_length" if value.name.startswith("decoder") else "sequence_length"
        for axis, word in zip(range(num_open(inputs[value.name])), ("batch_size", length), strict=False):
            words.setdefault(str(value.shape[axis]), word)
    every = [*graph.inputs, *(value for node in graph.all_nodes() for value in node.outputs)]
    for value in every:
        if value.shape is not None:
            named = [
                words.get(str(size), size) if not isinstance(size, int) else size for size in value.shape
            ]
            value.shape = onnx_ir.Shape(named)
