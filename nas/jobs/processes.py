"""Starting processes that outlive this one, and handing them the database's URL unseen.

A command line can be read by everyone on the machine, an environment by its owner only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from nas.errors import ConfigError

STORAGE_VARIABLE: Final = "NAS_STORAGE"
#: Overrides the database of a config file; a stored config has no use for it.
_OVERRIDE: Final = "NAS__STORAGE__URL"
_INSTALLED: Final = ("site-packages", "dist-packages")
#: Of a client of a service; a job has no use for them.
_CLIENT: Final = ("NAS_TOKEN", "NAS_SERVER")
#: A job that somebody submitted reads its model from this machine only, and joins no open cluster.
OFFLINE: Final = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "RAY_AUTH_MODE": "token",
}


def take_url() -> str:
    """The URL from the environment, which has it no longer: children of this process never see it.

    Raises:
        ConfigError: it is not there.
    """
    os.environ.pop(_OVERRIDE, None)
    url = os.environ.pop(STORAGE_VARIABLE, None)
    if not url:
        raise ConfigError(f"which database? Set the environment variable {STORAGE_VARIABLE} to its URL")
    return url


def start(
    module: str,
    arguments: Sequence[object],
    *,
    url: str,
    output: IO[Any] | None = None,
    pass_fds: Sequence[int] = (),
    folder: Path | None = None,
    is_offline: bool = False,
) -> subprocess.Popen[bytes]:
    """Run a module of this package in a process of its own session, without input.

    Neither the end of the terminal nor Ctrl-C in it reaches the process.

    Args:
        module: its full name.
        arguments: of its command line; no secrets.
        url: of the database, put into its environment.
        output: file for what it prints and logs; that of this process if None.
        pass_fds: descriptors that it inherits.
        folder: its working directory; that of this process if None.
        is_offline: whether it and its children load nothing from a hub.
    """
    words = [sys.executable, "-P", "-m", module, *map(str, arguments)]
    return subprocess.Popen(  # noqa: S603  # our own module, arguments are numbers
        words,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env={**_environment(url), **(OFFLINE if is_offline else {})},
        cwd=folder,
        pass_fds=tuple(pass_fds),
        start_new_session=True,
    )


def _environment(url: str) -> dict[str, str]:
    environment: MutableMapping[str, str] = dict(os.environ)
    for name in (_OVERRIDE, *_CLIENT):
        environment.pop(name, None)
    environment[STORAGE_VARIABLE] = url
    environment.setdefault("OMP_WAIT_POLICY", "passive")
    home = Path(__file__).resolve().parents[2]
    if home.name not in _INSTALLED:  # run from its sources: the process finds the same ones
        others = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join([str(home), *([others] if others else [])])
    return dict(environment)
