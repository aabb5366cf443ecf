"""Writing a sub-network for ONNX Runtime and OpenVINO, with batches and lengths left open."""

from __future__ import annotations

import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

import torch
from transformers import PreTrainedModel

from nas.errors import ConfigError, ExportVerificationError
from nas.export.samples import Size, sample_inputs
from nas.supernet.loading import quiet_transformers

Runtime: TypeAlias = Literal["onnx", "openvino"]
Format: TypeAlias = Literal["hf", "onnx", "openvino"]

#: A batch of one row would freeze the batch axis.
_SAMPLE: Final = Size(batch=2, length=7)
#: One protobuf file holds less than 2 GiB; larger weights go to a file beside it.
_ONE_FILE_BYTES: Final = 1_900_000_000
_PACKAGES: Final[dict[Runtime, tuple[str, ...]]] = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("openvino",),
}


def runtimes_of(formats: Sequence[str]) -> tuple[Runtime, ...]:
    """The runtimes among formats, in a fixed order; the folder of transformers is always written.

    Raises:
        ConfigError: an unknown format, or one whose packages are not installed.
    """
    unknown = [name for name in formats if name not in get_args(Format)]
    if unknown:
        raise ConfigError(f"unknown export format {unknown[0]!r}; allowed are {', '.join(get_args(Format))}")
    chosen: tuple[Runtime, ...] = tuple(name for name in get_args(Runtime) if name in formats)
    for runtime in chosen:
        missing = [name for name in _PACKAGES[runtime] if importlib.util.find_spec(name) is None]
        if missing:
            raise ConfigError(
                f'export format {runtime} needs {", ".join(missing)}: pip install "subnas[export]"'
            )
    return chosen


def write_runtime(model: PreTrainedModel, runtime: Runtime, folder: Path) -> None:
    """Write `onnx/model.onnx`, or `openvino/model.xml` and `.bin`; a causal model without its cache.

    Args:
        model: a sub-network in float32 on the processor.
        runtime: which one.
        folder: of the export.

    Raises:
        ExportVerificationError: the architecture cannot be converted.
    """
    path = folder / runtime
    path.mkdir()
    inputs = sample_inputs(model, _SAMPLE)
    try:
        with _quiet():
            _WRITERS[runtime](model, inputs, path)
    except Exception as error:  # converters raise anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ExportVerificationError(
            f"{type(model).__name__} cannot be written for {runtime}: {reason}; leave this format out"
        ) from error


def files_of(runtime: Runtime) -> tuple[str, ...]:
    """Files without which a folder has nothing for a runtime."""
    return ("onnx/model.onnx",) if runtime == "onnx" else ("openvino/model.xml", "openvino/model.bin")


def _write_onnx(model: PreTrainedModel, inputs: dict[str, torch.Tensor], path: Path) -> None:
    import onnx_ir
    from transformers.exporters.configs import OnnxConfig
    from transformers.exporters.exporter_onnx import OnnxExporter

    axes = _open_axes(inputs)
    config = OnnxConfig(dynamic=True, dynamic_shapes=axes)
    exporter: Any = OnnxExporter
    program = exporter().export(model, {**inputs, "use_cache": False}, config=config).program
    _name_axes(program.graph, inputs)
    size = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    data = "model.onnx_data" if size > _ONE_FILE_BYTES else None
    onnx_ir.save(program, path / "model.onnx", external_data=data)


def _write_openvino(model: PreTrainedModel, inputs: dict[str, torch.Tensor], path: Path) -> None:
    from transformers.exporters.configs import OpenVINOConfig
    from transformers.exporters.exporter_openvino import OpenVINOExporter

    config = OpenVINOConfig(dynamic=True, dynamic_shapes=_open_axes(inputs))
    exporter: Any = OpenVINOExporter
    program = exporter().export(model, {**inputs, "use_cache": False}, config=config).program
    exporter.save_program(program, path / "model.xml")


_WRITERS: Final = {"onnx": _write_onnx, "openvino": _write_openvino}


def _open_axes(inputs: Mapping[str, torch.Tensor]) -> dict[str, dict[int, Any]]:
    """Axes that may have another size than in the sample; one frozen all the same fails the gate."""
    auto = torch.export.Dim.AUTO
    return {name: dict.fromkeys(range(_num_open(tensor)), auto) for name, tensor in inputs.items()}


def _num_open(tensor: torch.Tensor) -> int:
    """Tokens have rows and lengths; images and speech have one size."""
    return 2 if tensor.dim() == 2 else 1


def _name_axes(graph: Any, inputs: Mapping[str, torch.Tensor]) -> None:
    """Words in place of the numbered symbols of the axes of inputs."""
    import onnx_ir

    words: dict[str, str] = {}
    for value in graph.inputs:
        length = "decoder_sequence_length" if value.name.startswith("decoder") else "sequence_length"
        for axis, word in zip(range(_num_open(inputs[value.name])), ("batch_size", length), strict=False):
            words.setdefault(str(value.shape[axis]), word)
    every = [*graph.inputs, *(value for node in graph.all_nodes() for value in node.outputs)]
    for value in every:
        if value.shape is not None:
            named = [
                words.get(str(size), size) if not isinstance(size, int) else size for size in value.shape
            ]
            value.shape = onnx_ir.Shape(named)


@contextmanager
def _quiet() -> Iterator[None]:
    """Progress of the converters off; their errors are raised anyway."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), quiet_transformers(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
