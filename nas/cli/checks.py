"""What `nas doctor` looks at."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from nas._version import __version__
from nas.cli.database import revision_line, storage_errors
from nas.cli.options import sqlite_path
from nas.errors import NasError

Status: TypeAlias = Literal["ok", "advice", "missing"]

NEEDED: Final = (
    *("numpy", "torch", "transformers", "optuna", "ray", "sqlalchemy", "alembic", "pydantic", "pyyaml"),
    *("typer", "rich", "safetensors"),
)
EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {
    "metrics": ("sklearn",),
    "report": ("altair", "vl_convert"),
    "data": ("datasets", "pyarrow"),
    "postgres": ("psycopg",),
}
ENOUGH_BYTES: Final = 2 * 2**30
UNREACHABLE: Final = 5


@dataclass(frozen=True, kw_only=True)
class Check:
    """One finding; `advice` status works without, `missing` does not.

    Attributes:
        found: what is there.
        advice: what to do, empty where all is well.
        exit_code: of the command where this is the first thing missing.
    """

    name: str
    status: Status
    found: str
    advice: str = ""
    exit_code: int = 1


def packages() -> list[Check]:
    """Versions of this package, Python and everything needed."""
    checks = [Check(name="subnas", status="ok", found=__version__)]
    python = ".".join(map(str, sys.version_info[:3]))
    checks.append(Check(name="python", status="ok", found=f"{python} ({sys.executable})"))
    for name in NEEDED:
        try:
            checks.append(Check(name=name, status="ok", found=version(name)))
        except PackageNotFoundError:
            checks.append(
                Check(name=name, status="missing", found="not installed", advice="pip install subnas")
            )
    return checks


def extras() -> list[Check]:
    """Optional dependencies by the name of their extra."""
    checks = []
    for extra, modules in EXTRAS.items():
        absent = [module for module in modules if importlib.util.find_spec(module) is None]
        advice = f'pip install "subnas[{extra}]"' if absent else ""
        found = f"without {', '.join(absent)}" if absent else "installed"
        checks.append(
            Check(name=f"extra {extra}", status="advice" if absent else "ok", found=found, advice=advice)
        )
    return checks


def processor() -> Check:
    """The processor and the instruction sets that matter to matrix products."""
    from workers import fingerprint

    device = fingerprint("cpu")
    features = ", ".join(device.cpu_features) or "no features known"
    found = f"{device.cpu}, {device.logical_cores} cores, {device.memory_bytes / 2**30:.0f} GiB; {features}"
    return Check(name="processor", status="ok", found=found)


def folders(artifacts: Path) -> list[Check]:
    """Whether results can be written, and the space for them."""
    places = {
        "working folder": Path.cwd(),
        "artifacts": artifacts,
        "temporary folder": Path(tempfile.gettempdir()),
    }
    return [_folder(name, path) for name, path in places.items()]


def database(url: str) -> Check:
    """Whether the database answers and its tables are of this version."""
    path = sqlite_path(url)
    if path is not None and not path.exists():
        return _new_database(path)
    try:
        with storage_errors():
            from storage import HEAD_REVISION, current_revision

            revision = current_revision(url)
    except NasError as error:
        return Check(
            name="database",
            status="missing",
            found="not usable",
            advice=str(error),
            exit_code=error.exit_code,
        )
    if revision in (None, HEAD_REVISION):
        return Check(name="database", status="ok", found=revision_line(revision, HEAD_REVISION))
    return Check(
        name="database",
        status="missing",
        found=f"schema {revision}",
        advice=revision_line(revision, HEAD_REVISION),
        exit_code=UNREACHABLE,
    )


def torch_devices() -> list[Check]:
    """Devices, threads, and whether bfloat16 is the faster format here."""
    try:
        import torch

        from nas.training.precision import prefers_bfloat16
    except ImportError as error:
        return [
            Check(
                name="torch", status="missing", found=f"cannot be imported: {error}", advice="reinstall torch"
            )
        ]
    names = ["cpu", *(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))]
    faster = "bfloat16" if prefers_bfloat16("cpu") else "float32"
    return [
        Check(name="devices", status="ok", found=", ".join(names)),
        Check(
            name="torch threads", status="ok", found=f"{torch.get_num_threads()}, faster on the CPU: {faster}"
        ),
    ]


def runtimes() -> list[Check]:
    """Which runtimes latency can be measured in here."""
    from nas.evaluation.runtimes import unavailable
    from nas.evaluation.target import Backend

    checks = []
    for backend in get_args(Backend):
        lack = unavailable(backend)
        found, _, advice = ("available", "", "") if lack is None else lack.partition(": ")
        status: Status = "ok" if lack is None else "advice"
        checks.append(Check(name=f"runtime {backend}", status=status, found=found, advice=advice))
    return checks


def ray_importable() -> Check:
    """Whether Ray can be imported; nothing is started."""
    try:
        import workers.ray_pool  # noqa: F401  # only workers speaks Ray
    except ImportError as error:
        return Check(
            name="ray import",
            status="missing",
            found=f"cannot be imported: {error}",
            advice="reinstall ray, or set workers.kind to serial",
        )
    return Check(name="ray import", status="ok", found="works; --ray starts a cluster to see")


def ray_cluster() -> Check:
    """Start a local cluster, run one task on it, and stop it."""
    from workers import Lane, PoolError, RayPool, Task

    start = time.monotonic()
    try:
        with RayPool(num_workers=1) as pool:
            pool.start({"quality": Lane(factory=_echo_factory, num_workers=1)}, {})
            pool.submit(Task(number=0, payload=1, lane="quality", timeout_s=60))
            done = pool.wait(60)
    except PoolError as error:
        return Check(
            name="ray cluster",
            status="missing",
            found="does not start",
            advice=str(error),
            exit_code=UNREACHABLE,
        )
    if not done or done[0].failure is not None:
        reason = done[0].failure.message if done and done[0].failure else "no answer within 60 s"
        return Check(
            name="ray cluster", status="missing", found="a task failed", advice=reason, exit_code=UNREACHABLE
        )
    return Check(
        name="ray cluster", status="ok", found=f"ran a task, {time.monotonic() - start:.0f} s in all"
    )


def _new_database(path: Path) -> Check:
    folder = path.absolute().parent
    if os.access(folder, os.W_OK):
        return Check(name="database", status="ok", found=f"{path} will be made")
    return Check(
        name="database",
        status="missing",
        found=f"{path} cannot be made",
        advice=f"make {folder}, writable, or give --storage",
        exit_code=UNREACHABLE,
    )


def _folder(name: str, path: Path) -> Check:
    nearest = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        return Check(
            name=name, status="missing", found=f"{nearest} is not writable", advice="choose another folder"
        )
    free = shutil.disk_usage(nearest).free
    is_enough = free >= ENOUGH_BYTES
    return Check(
        name=name,
        status="ok" if is_enough else "advice",
        found=f"{path}: {free / 2**30:.1f} GiB free",
        advice="" if is_enough else f"checkpoints may need {ENOUGH_BYTES / 2**30:.0f} GiB: free some space",
    )


def _echo_factory(arrays: Mapping[str, Any]) -> Any:
    del arrays
    return _echo


def _echo(payload: Any) -> Any:
    return payload
