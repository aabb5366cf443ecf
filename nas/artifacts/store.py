"""The store of artefacts: large files under names, two generations each, none of them ever half written."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

from nas.artifacts.catalogue import NAMES, Catalogue
from nas.artifacts.fetching import fetch_file, fetch_folder
from nas.artifacts.files import TEMPORARY, Files, LocalFiles, file_sha256
from nas.artifacts.manifest import Artifact, DamagedError, checked_name, checked_sha256, tree_bytes
from nas.artifacts.objects import QUARANTINE, Objects
from nas.artifacts.remote import RemoteFiles
from nas.artifacts.sweeping import DAY_S, SweepReport, sweep_orphans, sweep_temporaries
from nas.artifacts.verification import VerifyReport, verify
from nas.errors import ConfigError, StorageError

logger = logging.getLogger(__name__)

_OBJECTS: Final = "objects"
_TREES: Final = "trees"


class ArtifactStore:
    """Files and folders by the SHA-256 of their content, and the newest two of each name.

    A put writes objects first, each to a temporary file that is made durable and renamed, and the manifest
    last: killed at any moment, it leaves what was there. Every reading compares the bytes with their hash.
    Processes may share a store. Every method raises StorageError where the place can't be used.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._objects, self._trees = Objects(files, _OBJECTS), Objects(files, _TREES)
        self._catalogue = Catalogue(files, self._trees)

    @classmethod
    def open(cls, place: str | Path) -> Self:
        """A store in a folder, made when it is first written to, or at a URL that fsspec knows.

        What killed writers left more than a day ago is removed.

        Raises:
            ConfigError: the URL is of a kind that fsspec does not know, or its package is not installed.
        """
        store = cls(_files_at(place))
        sweep_temporaries(store._files)
        return store

    @property
    def location(self) -> str:
        """Folder or URL."""
        return self._files.location

    # Writing

    def put_file(
        self,
        name: str,
        path: Path,
        *,
        fingerprint: str = "",
        facts: Mapping[str, Any] | None = None,
        is_moved: bool = False,
    ) -> str:
        """Store a file as the next generation of a name; the one before the last goes.

        Args:
            name: up to four parts divided by `/`.
            path: a file that nothing writes to meanwhile.
            fingerprint: what it was made from.
            facts: JSON-ready, kept with it.
            is_moved: the file may be moved into the store and is gone afterwards.

        Returns:
            Its SHA-256.

        Raises:
            ConfigError: the name is not allowed, or there is no such file.
            StorageError: too little space, or the file changed; the generations before stay.
        """
        checked_name(name)
        if not path.is_file():
            raise ConfigError(f"{path} is no file; give the file to store as {name!r}")
        size, sha256 = path.stat().st_size, file_sha256(path)
        self.require_space(0 if is_moved else size)
        self._objects.put(sha256, path, is_moved=is_moved)
        gone = self._catalogue.add(
            name, "file", sha256, num_bytes=size, fingerprint=fingerprint, facts=facts or {}
        )
        self._finish(name, {sha256}, gone)
        return sha256

    def put_folder(
        self, name: str, path: Path, *, fingerprint: str = "", facts: Mapping[str, Any] | None = None
    ) -> str:
        """Store a folder, empty folders left out; `put_file` says the rest.

        Raises:
            ConfigError: the name is not allowed, or the folder is none, is empty or has symbolic links.
        """
        checked_name(name)
        sources = _files_of(path)
        tree = {name: (file_sha256(file), file.stat().st_size) for name, file in sources.items()}
        size = sum(num_bytes for _, num_bytes in tree.values())
        self.require_space(size)
        for relative, (sha256, _) in tree.items():
            self._objects.put(sha256, sources[relative], is_moved=False)
        root = self._trees.put_bytes(tree_bytes(tree))
        gone = self._catalogue.add(
            name, "folder", root, num_bytes=size, fingerprint=fingerprint, facts=facts or {}
        )
        self._finish(name, {sha256 for sha256, _ in tree.values()}, gone)
        return root

    def remove(self, name: str) -> None:
        """Forget a name, and delete what nothing else stands for."""
        self._drop(self._catalogue.remove(name))

    def require_space(self, num_bytes: int) -> None:
        """Refuse to begin where less than twice as much is free, so that others on the disk can go on.

        Raises:
            StorageError: there is less.
        """
        free = self._files.free_bytes()
        if free is not None and free < 2 * num_bytes:
            raise StorageError(
                f"{self.location} has {free / 1e6:.0f} MB free, {2 * num_bytes / 1e6:.0f} MB are needed; "
                "free some space or choose another place"
            )

    # Reading

    def names(self) -> list[str]:
        """Every name, in alphabetical order."""
        return self._catalogue.names()

    def generations(self, name: str) -> list[Artifact]:
        """What is kept of a name, the newest first; none of an unknown name. Nothing large is read."""
        return self._catalogue.generations(name)

    def fetch(self, sha256: str, destination: Path) -> Path:
        """Write what has a hash to a file, or to a folder that does not exist yet.

        Raises:
            ConfigError: it is no hash, or the folder exists.
            StorageError: nothing of that hash is stored, or it is damaged and in quarantine now.
        """
        checked_sha256(sha256)
        try:
            self._fetch(sha256, destination, is_folder=self._trees.has(sha256))
        except FileNotFoundError as error:
            raise StorageError(
                f"{self.location} has no artefact {sha256}, or a part of it is gone"
            ) from error
        except DamagedError as error:
            raise StorageError(
                f"artefact {sha256} of {self.location} is damaged and in quarantine: {error}; "
                "fetch another generation, or store it again"
            ) from error
        return destination

    def fetch_newest(
        self, name: str, destination: Path, *, fingerprint: str | None = None
    ) -> Artifact | None:
        """Write the newest whole generation of a name; one that is damaged is put aside and passed over.

        Args:
            name: of the artefact.
            destination: file, or folder that does not exist yet.
            fingerprint: that the generation must have, if given.

        Returns:
            The generation, or None of an unknown name.

        Raises:
            ConfigError: the folder exists.
            StorageError: there are generations, and all are damaged.
        """
        kept = self.generations(name)
        fitting = [one for one in kept if fingerprint is None or one.fingerprint == fingerprint]
        for artifact in fitting:
            try:
                self._fetch(artifact.sha256, destination, is_folder=artifact.kind == "folder")
            except (DamagedError, FileNotFoundError) as error:
                logger.warning("%s: generation %d: %s", name, artifact.generation, error)
            else:
                return artifact
        if fitting:
            raise StorageError(f"every generation of {name!r} in {self.location} is damaged; make it again")
        return None

    # Keeping

    def verify(self) -> VerifyReport:
        """Read everything; what is damaged is put aside."""
        referenced = self._catalogue.referenced()
        return verify((self._objects, self._trees), referenced)

    def sweep(self, known: Collection[str] = (), *, older_than_s: float = DAY_S) -> SweepReport:
        """Remove objects that are older and that neither a name nor `known` stands for.

        Args:
            known: hashes that are noted elsewhere, such as in a database.
            older_than_s: younger ones may belong to a put that goes on.
        """
        referenced = self._catalogue.referenced(known)
        objects = [*self._objects.all(), *self._trees.all()]
        return sweep_orphans(self._files, objects, referenced, older_than_s=older_than_s)

    def _fetch(self, sha256: str, destination: Path, *, is_folder: bool) -> None:
        if is_folder:
            fetch_folder(self._objects, self._trees, sha256, destination)
        else:
            fetch_file(self._objects, sha256, destination)

    def _finish(self, name: str, needed: Iterable[str], gone: Iterable[Artifact]) -> None:
        """Delete what a new generation pushed out, and check that no one deleted what it needs."""
        self._drop(gone)
        missing = [sha256 for sha256 in needed if not self._objects.has(sha256)]
        if missing:
            raise StorageError(
                f"{name!r}: object {missing[0][:12]} was swept by another process; store it again"
            )

    def _drop(self, gone: Iterable[Artifact]) -> None:
        parts = {sha256 for artifact in gone for sha256 in self._catalogue.parts(artifact.sha256)}
        for sha256 in parts - self._catalogue.referenced() if parts else ():
            self._objects.delete(sha256)
            self._trees.delete(sha256)


def has_other_files(folder: Path) -> bool:
    """Whether a folder has something that no store wrote; one that does not exist has nothing."""
    own = {_OBJECTS, _TREES, NAMES, QUARANTINE}
    return folder.exists() and any(
        path.name not in own and not path.name.startswith(TEMPORARY) for path in folder.iterdir()
    )


def _files_at(place: str | Path) -> Files:
    text = str(place)
    if isinstance(place, Path) or "://" not in text:
        return LocalFiles(Path(place))
    parts = urlsplit(text)
    if parts.scheme == "file":
        return LocalFiles(Path(unquote(parts.path)))
    return RemoteFiles(text)


def _files_of(folder: Path) -> dict[str, Path]:
    """Files of a folder by relative path."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    links = [name for name, path in found.items() if path.is_symlink()]
    if links:
        raise ConfigError(f"{folder / links[0]} is a symbolic link; store a folder without any")
    files = {name: path for name, path in found.items() if path.is_file()}
    if not files:
        raise ConfigError(f"{folder} has no files; give a folder to store")
    return files
