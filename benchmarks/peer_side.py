"""What both sides of `benchmarks.peers` do around pruning: build, time, save, reload, compare."""

from __future__ import annotations

import argparse
import faulthandler
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
import transformers

from benchmarks.peer_cases import Case, case_of
from benchmarks.peer_models import build, inputs_of, kept_of, largest_difference, logits_of, sizes_of

#: At most so much may be left where half was asked for.
_HALF: Final = 0.6


class RefusedError(Exception):
    """The library says that it does not know the architecture."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """A pruned model.

    Attributes:
        edit_config: what the library's users do by hand before they save; None where nothing is to be done.
        further: makes one more sub-network of the same full model; None where that takes all steps again.
    """

    model: Any
    edit_config: Callable[[], None] | None = None
    further: Callable[[], object] | None = None


def run_side(prune: Callable[[Case, Any], Pruned], arguments: list[str]) -> None:
    """Prune the case named in the arguments and print what came of it; a hang ends the process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for pruning alone")
    given = parser.parse_args(arguments)
    logging: Any = transformers.logging
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    case = case_of(given.case)
    model = build(case, quick=given.quick)
    record: dict[str, Any] = {"num_parameters": sum(weight.numel() for weight in model.parameters())}
    print(
        json.dumps(record | {"outcome": "hangs", "error": f"stopped after {given.timeout:.0f} s"}), flush=True
    )
    faulthandler.dump_traceback_later(given.timeout, exit=True)
    try:
        record |= _measure(prune, case, model)
    except RefusedError as error:
        record |= {"outcome": "refused", "error": str(error)}
    except Exception as error:  # noqa: BLE001  # whatever the library raises is the finding
        record |= {"outcome": "fails", "error": describe(error)}
    faulthandler.cancel_dump_traceback_later()
    print(json.dumps(record), flush=True)


def describe(error: BaseException) -> str:
    """The class of an error and the first line of its text."""
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _measure(prune: Callable[[Case, Any], Pruned], case: Case, model: Any) -> dict[str, Any]:
    inputs = inputs_of(case, model, batch_size=2)
    before = sizes_of(case, model)
    start = time.process_time()
    pruned = prune(case, model)
    record: dict[str, Any] = {"cpu_s": time.process_time() - start}
    if pruned.further is not None:
        start = time.process_time()
        pruned.further()
        record["further_cpu_s"] = time.process_time() - start
    kept = kept_of(before, sizes_of(case, pruned.model))
    logits = logits_of(pruned.model, inputs)
    unpruned = [name for name, share in kept.items() if share > _HALF]
    record |= {"outcome": "partly" if unpruned else "works", "unpruned": unpruned, "kept": kept}
    record["reload"] = _reload(pruned.model, inputs, logits)
    if pruned.edit_config is not None:
        pruned.edit_config()
        record["reload_edited"] = _reload(pruned.model, inputs, logits)
    return record


def _reload(model: Any, inputs: dict[str, torch.Tensor], logits: torch.Tensor) -> float | str:
    """The largest difference of the logits after saving and loading by the stock class, or the error."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            model.save_pretrained(folder)
            again = getattr(transformers, type(model).__name__).from_pretrained(folder)
            again.train(mode=False)
            return largest_difference(logits_of(again, inputs), logits)
        except Exception as error:  # noqa: BLE001  # whatever loading raises is the finding
            return describe(error)
