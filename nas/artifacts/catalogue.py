"""Which artefacts a store has: two generations of each name, as manifests that are written last."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from nas.artifacts.files import Files
from nas.artifacts.manifest import (
    Artifact,
    DamagedError,
    checked_name,
    manifest_bytes,
    parsed_manifest,
    parsed_tree,
)
from nas.artifacts.objects import QUARANTINE, Objects

logger = logging.getLogger(__name__)

GENERATIONS: Final = 2
NAMES: Final = "names"
#: Lies between a name and its manifests, so that a name may begin like another.
_HERE: Final = "@"


class Catalogue:
    """The manifests of a store."""

    def __init__(self, files: Files, trees: Objects) -> None:
        self._files, self._trees = files, trees

    def names(self) -> list[str]:
        """Every name, in alphabetical order."""
        paths = (file.path.removeprefix(f"{NAMES}/") for file in self._files.files(NAMES))
        return sorted({path.partition(f"/{_HERE}/")[0] for path in paths})

    def generations(self, name: str) -> list[Artifact]:
        """The newest two artefacts of a name, the newest first; damaged manifests are put aside."""
        return self._all(name)[:GENERATIONS]

    def add(
        self,
        name: str,
        kind: Literal["file", "folder"],
        sha256: str,
        *,
        num_bytes: int,
        fingerprint: str,
        facts: Mapping[str, Any],
    ) -> list[Artifact]:
        """Write the next generation of a name; those that it pushes out."""
        earlier = self._all(name)
        artifact = Artifact(
            name=name,
            generation=earlier[0].generation + 1 if earlier else 1,
            kind=kind,
            sha256=sha256,
            num_bytes=num_bytes,
            fingerprint=fingerprint,
            facts=facts,
        )
        path = f"{self._folder(name)}/{artifact.generation:010d}-{uuid.uuid4().hex[:8]}.json"
        self._files.write(path, [manifest_bytes(artifact)])
        for old in self._paths(name)[GENERATIONS:]:
            self._files.delete(old)
        return earlier[GENERATIONS - 1 :]

    def remove(self, name: str) -> list[Artifact]:
        """Forget a name; what it had."""
        gone = self._all(name)
        for path in self._paths(name):
            self._files.delete(path)
        return gone

    def referenced(self, known: Iterable[str] = ()) -> set[str]:
        """Hashes of all objects that a name, or `known`, stands for."""
        roots = {artifact.sha256 for name in self.names() for artifact in self._all(name)} | {*known}
        return {sha256 for root in roots for sha256 in self.parts(root)}

    def parts(self, sha256: str) -> set[str]:
        """Hashes of an object and, where it is a folder, of its files; its own where it is damaged."""
        try:
            tree = parsed_tree(b"".join(self._trees.read(sha256)))
        except (FileNotFoundError, DamagedError):
            return {sha256}
        return {sha256, *(file_sha256 for file_sha256, _ in tree.values())}

    def _all(self, name: str) -> list[Artifact]:
        """With those that a writer which was killed did not come to delete."""
        found = []
        for path in self._paths(name):
            try:
                found.append(parsed_manifest(b"".join(self._files.read(path))))
            except FileNotFoundError:
                continue  # another process keeps the catalogue too
            except DamagedError as error:
                logger.warning("%s of %s is put aside: %s", path, self._files.location, error)
                self._files.move(path, f"{QUARANTINE}/{path.rpartition('/')[2]}-{uuid.uuid4().hex[:8]}")
        return found

    def _paths(self, name: str) -> list[str]:
        """Manifests of a name, the newest first."""
        return sorted((file.path for file in self._files.files(self._folder(name))), reverse=True)

    def _folder(self, name: str) -> str:
        return f"{NAMES}/{checked_name(name)}/{_HERE}"
