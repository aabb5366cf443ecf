"""Turning an evaluator's exception into a record that always reaches the driver."""

from __future__ import annotations

import sys
import traceback
from typing import cast, get_args

from workers.protocol import Failure, FailureReason


def describe_failure(error: BaseException) -> Failure:
    """Describe an exception as text, so that one that cannot be pickled or unpickled does no harm."""
    return Failure(
        reason=_reason(error),
        message="".join(traceback.format_exception_only(error)).strip(),
        traceback="".join(traceback.format_exception(error)),
    )


def _reason(error: BaseException) -> FailureReason:
    declared = getattr(error, "reason", None)
    if isinstance(declared, str) and declared in get_args(FailureReason):
        return cast("FailureReason", declared)
    if isinstance(error, MemoryError) or _is_torch_out_of_memory(error):
        return "oom"
    return "nan" if isinstance(error, FloatingPointError) else "bug"


def _is_torch_out_of_memory(error: BaseException) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.OutOfMemoryError)
