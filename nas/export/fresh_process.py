"""Reloading a folder in a process of its own, which knows nothing of this project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file

from nas.errors import ExportVerificationError
from nas.export.reference import REFERENCE, Reference

TIMEOUT_S: Final = 900
#: The rest of the environment stays out: it may hold secrets, and modelling code is about to run.
_KEPT: Final = ("PATH", "SYSTEMROOT", "LANG", "TMPDIR", "TEMP", "TMP")
_KEPT_PREFIXES: Final = ("LD_", "DYLD_", "LC_", "OMP_", "MKL_", "KMP_")


@dataclass(frozen=True, kw_only=True)
class Reloaded:
    """What the fresh process saw.

    Attributes:
        logits: answer to the reference inputs.
        num_parameters: weights of the loaded model, tied ones once.
        unmatched: weights of the file or the model without a counterpart, as text.
        token_ids: the tokens of the probe text, None where there is no tokenizer.
    """

    logits: torch.Tensor
    num_parameters: int
    unmatched: tuple[str, ...]
    token_ids: tuple[int, ...] | None


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a folder must show; `token_ids` are those of `text`, both None without a tokenizer."""

    reference: Reference
    num_parameters: int
    text: str | None = None
    token_ids: tuple[int, ...] | None = None


def prove(folder: Path, expected: Expected, *, is_custom: bool) -> float:
    """Reload a folder in a fresh process and compare; the largest difference of logits.

    Args:
        folder: an exported folder whose hashes were checked.
        expected: what must come out.
        is_custom: let its modelling file run; the caller has made sure which one it is.

    Raises:
        ExportVerificationError: it cannot be loaded, or differs.
    """
    return compare(folder, reload(folder, text=expected.text, is_custom=is_custom), expected)


def compare(folder: Path, seen: Reloaded, expected: Expected) -> float:
    """The largest difference of logits between what came out and what must.

    Raises:
        ExportVerificationError: weights, tokens or logits differ.
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
    return _difference(folder, seen.logits, expected.reference)


def reload(folder: Path, *, text: str | None, is_custom: bool) -> Reloaded:
    """Load a folder in a fresh process and run its reference inputs.

    Raises:
        ExportVerificationError: the process failed or did not end.
    """
    with tempfile.TemporaryDirectory(prefix="nas-reload-") as scratch:
        request = {
            "folder": str(folder.absolute()),
            "output": scratch,
            "reference": REFERENCE,
            "is_custom": is_custom,
            "text": text,
        }
        _run(folder, request, Path(scratch))
        answer = json.loads((Path(scratch) / "answer.json").read_text(encoding="utf-8"))
        logits = load_file(Path(scratch) / "logits.safetensors")["logits"]
    return Reloaded(
        logits=logits,
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


def _difference(folder: Path, logits: torch.Tensor, reference: Reference) -> float:
    if logits.shape != reference.logits.shape:
        raise ExportVerificationError(
            f"{folder}: logits have shape {tuple(logits.shape)}, expected {tuple(reference.logits.shape)}"
        )
    difference = float((logits - reference.logits).abs().max())
    if not difference <= reference.tolerance:
        raise ExportVerificationError(
            f"{folder}: logits differ by up to {difference:.3g} from those of the searched sub-network; "
            f"allowed are {reference.tolerance:.3g}"
        )
    return difference
