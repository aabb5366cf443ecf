"""Reloading a folder in a process of its own, which knows nothing of this project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file

from nas.conversion import Runtime
from nas.errors import ExportVerificationError
from nas.export.reference import REFERENCE, RUNTIME_TOLERANCE, TOLERANCE, Reference

TIMEOUT_S: Final = 900
#: The rest of the environment stays out: it may hold secrets, and modelling code is about to run.
_KEPT: Final = ("PATH", "SYSTEMROOT", "LANG", "TMPDIR", "TEMP", "TMP")
_KEPT_PREFIXES: Final = ("LD_", "DYLD_", "LC_", "OMP_", "MKL_", "KMP_")


@dataclass(frozen=True, kw_only=True)
class Reloaded:
    """What the fresh process saw.

    Attributes:
        outputs: answers to each batch of reference inputs, by `torch` or runtime.
        generated: new tokens with (`cached`) and without (`uncached`) a key-value cache; empty for a model
            that generates nothing.
        num_parameters: weights of the loaded model, tied ones once.
        unmatched: weights of the file or the model without a counterpart, as text.
        token_ids: the tokens of the probe text, None where there is no tokenizer.
    """

    outputs: Mapping[str, Sequence[torch.Tensor]]
    generated: Mapping[str, torch.Tensor]
    num_parameters: int
    unmatched: tuple[str, ...]
    token_ids: tuple[int, ...] | None


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a folder must show.

    Attributes:
        auto_class: name of the class of transformers that loads it.
        runtimes: that it has files for.
        text: to tokenize; with its `token_ids` None where there is no tokenizer.
    """

    reference: Reference
    num_parameters: int
    auto_class: str
    runtimes: tuple[Runtime, ...] = ()
    text: str | None = None
    token_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Proof:
    """How far a folder that was found equal is from its reference.

    Attributes:
        max_difference: largest difference of outputs under transformers.
        runtimes: the same for each other runtime.
    """

    max_difference: float
    runtimes: Mapping[str, float]


def prove(folder: Path, expected: Expected, *, is_custom: bool) -> Proof:
    """Reload a folder in a fresh process and compare.

    Args:
        folder: an exported folder whose hashes were checked.
        expected: what must come out.
        is_custom: let its modelling file run; the caller has made sure which one it is.

    Raises:
        ExportVerificationError: it cannot be loaded, or differs.
    """
    return compare(folder, reload(folder, expected, is_custom=is_custom), expected)


def compare(folder: Path, seen: Reloaded, expected: Expected) -> Proof:
    """The differences between what came out and what must.

    Raises:
        ExportVerificationError: weights, tokens or outputs differ.
    """
    if seen.unmatched:
        raise ExportVerificationError(f"{folder}: weights do not match: {'; '.join(seen.unmatched)}")
    if seen.num_parameters != expected.num_parameters:
        raise ExportVerificationError(
            f"{folder}: the loaded model has {seen.num_parameters} parameters, the searched sub-network "
            f"{expected.num_parameters}"
        )
    if seen.token_ids != expected.token_ids:
        raise ExportVerificationError(
            f"{folder}: its tokenizer makes {seen.token_ids} of {expected.text!r}, the supernet's makes "
            f"{expected.token_ids}"
        )
    found = {name: _difference(folder, name, outputs, expected) for name, outputs in seen.outputs.items()}
    _compare_tokens(folder, seen.generated, expected.reference)
    return Proof(max_difference=found.pop("torch"), runtimes=found)


def reload(folder: Path, expected: Expected, *, is_custom: bool) -> Reloaded:
    """Load a folder in a fresh process and run its reference inputs.

    Raises:
        ExportVerificationError: the process failed or did not end.
    """
    reference = expected.reference
    batches = [f"{number}." if number else "" for number in range(len(reference.answers))]
    with tempfile.TemporaryDirectory(prefix="nas-reload-") as scratch:
        request = {
            "folder": str(folder.absolute()),
            "output": scratch,
            "reference": REFERENCE,
            "batches": batches,
            "auto_class": expected.auto_class,
            "generation": None if reference.generation is None else reference.generation.options,
            "runtimes": list(expected.runtimes),
            "is_custom": is_custom,
            "text": expected.text,
        }
        _run(folder, request, Path(scratch))
        answer = json.loads((Path(scratch) / "answer.json").read_text(encoding="utf-8"))
        tensors = load_file(Path(scratch) / "answers.safetensors")
    kinds = ("torch", *expected.runtimes)
    return Reloaded(
        outputs={kind: [tensors[f"{kind}.{number}"] for number in range(len(batches))] for kind in kinds},
        generated={
            name.removeprefix("generated."): value
            for name, value in tensors.items()
            if name.startswith("generated.")
        },
        num_parameters=answer["num_parameters"],
        unmatched=tuple(f"{kind} {', '.join(names)}" for kind, names in answer["keys"].items() if names),
        token_ids=None if answer["token_ids"] is None else tuple(answer["token_ids"]),
    )


def _run(folder: Path, request: Mapping[str, Any], scratch: Path) -> None:
    with resources.as_file(resources.files("nas.export") / "reloading.py") as program:
        try:
            subprocess.run(  # noqa: S603  # our interpreter, our program, no shell
                [sys.executable, "-I", str(program), json.dumps(request)],
                check=True,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                cwd=scratch,
                env=_environment(scratch),
                timeout=TIMEOUT_S,
                text=True,
            )
        except subprocess.TimeoutExpired as error:
            raise ExportVerificationError(
                f"{folder} was not loaded by a fresh process within {TIMEOUT_S} s"
            ) from error
        except subprocess.CalledProcessError as error:
            last = (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
            raise ExportVerificationError(f"{folder} cannot be loaded by a fresh process: {last}") from error


def _environment(scratch: Path) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)
    }
    return kept | {
        "HOME": str(scratch),
        "HF_HOME": str(scratch / "hf"),
        "HF_MODULES_CACHE": str(scratch / "modules"),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }


def _difference(folder: Path, name: str, outputs: Sequence[torch.Tensor], expected: Expected) -> float:
    """Largest difference of outputs over all batches."""
    relative, who = (TOLERANCE, "") if name == "torch" else (RUNTIME_TOLERANCE, f" of {name}")
    largest = 0.0
    for output, answer in zip(outputs, expected.reference.answers, strict=True):
        if output.shape != answer.output.shape:
            raise ExportVerificationError(
                f"{folder}: outputs{who} have shape {tuple(output.shape)}, expected "
                f"{tuple(answer.output.shape)}"
            )
        error = (output - answer.output).abs()
        difference = float((error if name == "torch" else answer.without_padding(error)).max())
        if not difference <= answer.tolerance(relative):
            raise ExportVerificationError(
                f"{folder}: outputs{who} differ by up to {difference:.3g} from those of the searched "
                f"sub-network; allowed are {answer.tolerance(relative):.3g}"
            )
        largest = max(largest, difference)
    return largest


def _compare_tokens(folder: Path, generated: Mapping[str, torch.Tensor], reference: Reference) -> None:
    if reference.generation is None:
        return
    expected = reference.generation.tokens
    for name in ("cached", "uncached"):
        seen = generated[name]
        if not seen.equal(expected):
            how = "with" if name == "cached" else "without"
            raise ExportVerificationError(
                f"{folder}: {how} a key-value cache it generates {seen.tolist()}, the searched sub-network "
                f"{expected.tolist()}"
            )
