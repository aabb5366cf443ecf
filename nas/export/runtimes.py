"""Writing a sub-network for ONNX Runtime and OpenVINO, with batches and lengths left open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from transformers import PreTrainedModel

from nas.conversion import Runtime, missing_packages, reason_of, write_forward
from nas.errors import ConfigError, ExportVerificationError
from nas.export.samples import Size, sample_inputs

Format: TypeAlias = Literal["hf", "onnx", "openvino"]

#: A batch of one row would freeze the batch axis.
_SAMPLE: Final = Size(batch=2, length=7)


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
        missing = missing_packages(runtime)
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
        write_forward(model, runtime, inputs, path)
    except Exception as error:  # converters raise anything
        raise ExportVerificationError(
            f"{type(model).__name__} cannot be written for {runtime}: {reason_of(error)}; "
            "leave this format out"
        ) from error


def files_of(runtime: Runtime) -> tuple[str, ...]:
    """Files without which a folder has nothing for a runtime."""
    return ("onnx/model.onnx",) if runtime == "onnx" else ("openvino/model.xml", "openvino/model.bin")
