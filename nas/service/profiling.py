"""Profiles of search spaces, made in processes of their own: the service itself loads no model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any, Final

from nas.config import SearchConfig
from nas.errors import ConfigError, InfeasibleError
from nas.service.problems import ProblemError

TIMEOUT_S: Final = 60.0
MOST_AT_ONCE: Final = 2
_MODULE: Final = "nas.service.profile_process"
_SURROUNDINGS: Final = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


class Profiler:
    """Runs few profiles at a time.

    Args:
        command: of the process; it takes the config as JSON on its standard input and answers on its output.
        timeout_s: after which a process is ended.
        most_at_once: further requests are refused.
    """

    def __init__(
        self,
        command: tuple[str, ...] = (sys.executable, "-m", _MODULE),
        *,
        timeout_s: float = TIMEOUT_S,
        most_at_once: int = MOST_AT_ONCE,
    ) -> None:
        self._command, self._timeout_s = command, timeout_s
        self._slots = threading.BoundedSemaphore(most_at_once)

    def profile(self, config: SearchConfig) -> Mapping[str, Any]:
        """The profile of a config's space.

        Raises:
            InfeasibleError: no sub-network meets the constraints on exact costs.
            ConfigError: the space, an objective or the target does not fit the model.
            ProblemError: too many profiles are being made, or this one failed or took too long.
        """
        if not self._slots.acquire(blocking=False):
            detail = "other profiles are being made; ask again in a moment"
            raise ProblemError(503, "busy", detail, headers={"Retry-After": "5"})
        try:
            return _answer(self._run(json.dumps(config.resolved())))
        finally:
            self._slots.release()

    def _run(self, document: str) -> str:
        try:
            done = subprocess.run(  # noqa: S603  # a fixed command, nothing of the user's in it
                self._command,
                input=document,
                capture_output=True,
                text=True,
                timeout=self._timeout_s,
                env={**os.environ, **_SURROUNDINGS},
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ProblemError(
                422,
                "took-too-long",
                f"the profile was not ready after {self._timeout_s:g} s; take a smaller space",
            ) from None
        if done.returncode != 0:
            raise ProblemError(503, "failed", "the profile could not be made; try again later")
        return done.stdout


def _answer(text: str) -> Mapping[str, Any]:
    answer: dict[str, Any] = json.loads(text)
    if "infeasible" in answer:
        refused = answer["infeasible"]
        raise InfeasibleError(refused["message"], refused["binding"], refused["nearest"])
    if "refused" in answer:
        raise ConfigError(answer["refused"])
    found: Mapping[str, Any] = answer["profile"]
    return found
