"""Starting or joining Ray, and leaving the driver's process as it was."""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray

from workers import ray_authentication
from workers.launch import LocalResources
from workers.protocol import PoolError
from workers.ray_cluster import HEALTH_CHECKS

_LOGGER = logging.getLogger(__name__)
_MAX_TEMPORARY_ROOT = 22
_REACH_S = 10


class RaySession:
    """A connection to Ray for the time of one pool.

    `address="local"` starts a cluster for this pool alone: an own token file (mode 0600), session files in a
    private temporary folder (or `RAY_TMPDIR`), no dashboard, no usage statistics. A token or mode that the
    user set by `RAY_AUTH_TOKEN`, `RAY_AUTH_TOKEN_PATH` or `RAY_AUTH_MODE` is used instead. Any other address
    joins that cluster, which must use token authentication. When the caller has initialised Ray already, that
    connection is used, unchecked, and left open.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address or "auto"
        if "://" in self._address:
            raise ValueError(
                f"address is {address!r}; Ray Client is not supported: give 'local', 'auto', or HOST:PORT of "
                f"the head node"
            )
        self._owns_ray = False
        self._folder: Path | None = None
        self._replaced_environment: dict[str, tuple[str | None, str | None]] = {}
        self._replaced_handler: Any = None
        self._replaced_printer: Any = None

    @property
    def is_local(self) -> bool:
        """Whether this session started the cluster."""
        return self._owns_ray and self._address == "local"

    def open(self, resources: LocalResources) -> None:
        """Start or join Ray; call `close` even if this fails.

        Raises:
            PoolError: the cluster cannot be reached, does not use token authentication, or refuses the token.
        """
        if ray.is_initialized():
            return
        before = dict(os.environ)
        self._folder = Path(tempfile.mkdtemp(prefix="nas-", dir=_temporary_root()))
        try:
            self._initialise(resources)
        except PoolError:
            raise
        except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
            raise PoolError(
                f"Ray at address {self._address!r} cannot be used: {error}. If it runs elsewhere, check the "
                f"address and that RAY_AUTH_TOKEN_PATH names the token it was started with"
            ) from error
        finally:
            self._note_environment(before)

    def close(self) -> None:
        """Shut Ray down if this session started or joined it; restore environment and signal handler."""
        if self._folder is None:
            return
        if self._owns_ray:
            ray.shutdown()
            self._owns_ray = False
            self._restore_messages()
        self._restore_environment()
        ray_authentication.refresh()  # before the token file goes: Ray aborts the process if it then reads it
        self._restore_signal_handler()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def _initialise(self, resources: LocalResources) -> None:
        assert self._folder is not None
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if self._address == "local":
            ray_authentication.provide_token(self._folder)
        else:
            ray_authentication.require_token(self._address)
            _check_reachable(self._address)
        ray_authentication.refresh()
        self._save_signal_handler()
        self._divert_messages()
        self._owns_ray = True
        is_local = self._address == "local"
        ray.init(
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"working_dir": str(self._empty_folder())},
            **(self._local_arguments(resources) if is_local else {"address": self._address}),
        )
        self._keep_callers_signal_handler()

    def _local_arguments(self, resources: LocalResources) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "address": "local",
            "num_cpus": resources.num_cpus,
            "resources": dict(resources.custom),
            "object_store_memory": resources.object_store_bytes,
            "include_dashboard": False,
            # Workers run with an own environment, so the plain ones that Ray starts ahead would stay unused.
            "_system_config": {
                "prestart_worker_first_driver": False,
                "enable_worker_prestart": False,
                **HEALTH_CHECKS,
            },
        }
        if "RAY_TMPDIR" not in os.environ:
            arguments["_temp_dir"] = str(self._folder)
        return arguments

    def _empty_folder(self) -> Path:
        """Return what becomes the workers' directory: without one, Ray puts the driver's on sys.path."""
        assert self._folder is not None
        folder = self._folder / "working_dir"
        folder.mkdir()
        return folder

    def _divert_messages(self) -> None:
        """Log what Ray prints about lost workers; no setting keeps it off the driver's standard output."""
        module: Any = importlib.import_module("ray._private.worker")
        self._replaced_printer = module.print_to_stdstream
        module.print_to_stdstream = _log_message

    def _restore_messages(self) -> None:
        module: Any = importlib.import_module("ray._private.worker")
        module.print_to_stdstream = self._replaced_printer

    def _note_environment(self, before: Mapping[str, str]) -> None:
        for name in before.keys() | os.environ.keys():
            if before.get(name) != os.environ.get(name):
                self._replaced_environment[name] = (before.get(name), os.environ.get(name))

    def _restore_environment(self) -> None:
        for name, (old, ours) in self._replaced_environment.items():
            if os.environ.get(name) != ours:
                continue
            if old is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = old
        self._replaced_environment.clear()

    def _save_signal_handler(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._replaced_handler = signal.getsignal(signal.SIGTERM)

    def _keep_callers_signal_handler(self) -> None:
        """Undo `ray.init`'s change of a handler, unless that was the default, which skips Ray's clean-up."""
        if self._replaced_handler not in (None, signal.SIG_DFL):
            signal.signal(signal.SIGTERM, self._replaced_handler)
            self._replaced_handler = None

    def _restore_signal_handler(self) -> None:
        if self._replaced_handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._replaced_handler)
        self._replaced_handler = None


def _check_reachable(address: str) -> None:
    """Find out in seconds what takes Ray two minutes."""
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_S).close()
    except OSError as error:
        raise PoolError(
            f"nothing answers at {address}: {error}. Give HOST:PORT of the head node of a Ray cluster that "
            "runs, or 'local' for one on this machine"
        ) from error


def _temporary_root() -> str | None:
    """Return where the session's folder goes; paths of Unix sockets, which lie in it, are short."""
    is_long = len(tempfile.gettempdir()) > _MAX_TEMPORARY_ROOT
    return "/tmp" if is_long and os.name == "posix" else None  # noqa: S108  # nosec B108  # mkdtemp makes it private


def _log_message(data: dict[str, Any], ignore_prefix: bool) -> None:
    _LOGGER.info("Ray (%s): %s", data.get("pid"), "\n".join(map(str, data.get("lines", ()))))
