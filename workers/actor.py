"""The process that evaluates: what Ray runs on a worker node."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle

from workers.failures import describe_failure
from workers.protocol import Evaluator, Failure
from workers.regions import FileRegion, mapped


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Which process a worker is."""

    hostname: str
    pid: int
    node_id: str

    def __str__(self) -> str:
        return f"{self.hostname}/{self.pid}"


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """What a worker needs in order to build its evaluator.

    Attributes:
        factory: reference to the pickled `EvaluatorFactory`.
        arrays: references to the shared arrays.
        regions: regions of files, which this process maps if it sees the files; else it takes the arrays of
            the same names.
        import_paths: the driver's `sys.path`; what this process lacks of it is added at the end, so that a
            user's module beside the script is found but cannot hide an installed package.
    """

    factory: Any
    arrays: Mapping[str, Any]
    regions: Mapping[str, FileRegion]
    import_paths: Sequence[str]
    threads: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an attempt yielded: the pickled result or the failure."""

    result: bytes | None
    failure: Failure | None
    seconds: float


def pickled(value: object) -> bytes:
    """Pickle by Ray's cloudpickle, which takes functions of scripts and closures too."""
    data: bytes = cloudpickle.dumps(value)  # type: ignore[no-untyped-call]  # Ray leaves it bare
    return data


class EvaluationActor:
    """Builds one evaluator and calls it; no exception of user code leaves it, only records."""

    def __init__(self, blueprint: Blueprint) -> None:
        self._blueprint = blueprint
        self._evaluator: Evaluator | None = None
        self._last: tuple[int, Outcome] | None = None

    def prepare(self) -> Identity | Failure:
        """Build the evaluator and say which process this is."""
        try:
            self._build()
        except Exception as error:  # noqa: BLE001  # the actor's edge
            return describe_failure(error)
        node_id = ray.get_runtime_context().get_node_id()
        return Identity(hostname=socket.gethostname(), pid=os.getpid(), node_id=node_id)

    def evaluate(self, key: int, payload: bytes) -> Outcome:
        """Call the evaluator with the unpickled payload; the outcome is kept until the next call."""
        started = time.perf_counter()
        result: bytes | None = None
        failure: Failure | None = None
        try:
            if self._evaluator is None:
                raise RuntimeError("evaluate() was called before prepare()")
            result = pickled(self._evaluator(cloudpickle.loads(payload)))
        except Exception as error:  # noqa: BLE001  # the actor's edge
            failure = describe_failure(error)
        outcome = Outcome(result=result, failure=failure, seconds=time.perf_counter() - started)
        self._last = key, outcome
        return outcome

    def recall(self, key: int) -> Outcome | None:
        """Return the outcome of an evaluation whose answer was lost on its way, or None if it never ran."""
        return self._last[1] if self._last is not None and self._last[0] == key else None

    def _build(self) -> None:
        blueprint = self._blueprint
        known = {os.path.realpath(path) for path in sys.path}
        wanted = [path for path in blueprint.import_paths if os.path.realpath(path) not in known]
        sys.path.extend(path for path in wanted if Path(path).exists())
        sent = blueprint.arrays
        regions = {n: region for n, region in blueprint.regions.items() if n not in sent or region.is_current}
        references = {n: reference for n, reference in sent.items() if n not in regions}
        arrays = dict(zip(references, ray.get(list(references.values())), strict=True))
        self._evaluator = cloudpickle.loads(ray.get(blueprint.factory))(mapped(arrays | regions))
        torch = sys.modules.get("torch")
        if torch is not None:
            torch.set_num_threads(blueprint.threads)
