"""What a store notes of an artefact, and how it finds that the note itself was changed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any, Final, Literal

from nas.errors import ConfigError

FORMAT: Final = 1
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9][A-Za-z0-9._-]{0,63}){0,3}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class DamagedError(Exception):
    """Bytes are not those that were written; met inside this package only."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """One generation of a name.

    Attributes:
        sha256: of the file; of a folder, that of the list of its files.
        num_bytes: of the file, or of all files of the folder.
        fingerprint: what it was made from, as its writer put it.
        facts: what else its writer noted, JSON-ready.
    """

    name: str
    generation: int
    kind: Literal["file", "folder"]
    sha256: str
    num_bytes: int
    fingerprint: str
    facts: Mapping[str, Any]


def checked_name(name: str) -> str:
    """The name, if it can be a path in any place.

    Raises:
        ConfigError: it can't.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"artefact name {name!r}: give up to four parts of 1 to 64 letters, digits and . _ -, "
            "each beginning with a letter or digit, divided by /"
        )
    return name


def checked_sha256(sha256: str) -> str:
    """The hash, if it is one.

    Raises:
        ConfigError: it isn't.
    """
    if not _SHA256.fullmatch(sha256):
        raise ConfigError(f"{sha256!r} is no SHA-256: give 64 hexadecimal digits in lower case")
    return sha256


def manifest_bytes(artifact: Artifact) -> bytes:
    """An artefact as it is stored, with a hash of itself."""
    body = {"format": FORMAT, **asdict(artifact), "facts": dict(artifact.facts)}
    return _text({"manifest": body, "sha256": _hash(body)})


def parsed_manifest(stored: bytes) -> Artifact:
    """What `manifest_bytes` wrote.

    Raises:
        DamagedError: the bytes are not those that were written.
    """
    try:
        record = json.loads(stored)
        body = record["manifest"]
        if record["sha256"] != _hash(body):
            raise DamagedError("the manifest does not match its own SHA-256")
        fields = {name: body[name] for name in Artifact.__dataclass_fields__}
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"the manifest can't be read: {error!r}") from error
    return Artifact(**fields)


def tree_bytes(files: Mapping[str, tuple[str, int]]) -> bytes:
    """The list of a folder's files: SHA-256 and bytes by relative path."""
    return _text({path: list(facts) for path, facts in sorted(files.items())})


def parsed_tree(stored: bytes) -> dict[str, tuple[str, int]]:
    """What `tree_bytes` wrote, its hash being right.

    Raises:
        DamagedError: it would write outside its folder.
    """
    files = {path: (str(sha256), int(size)) for path, (sha256, size) in json.loads(stored).items()}
    for path, (sha256, _) in files.items():
        parts = PurePosixPath(path).parts
        if not parts or PurePosixPath(path).is_absolute() or ".." in parts or not _SHA256.fullmatch(sha256):
            raise DamagedError(f"the list of files has the path {path!r}")
    return files


def _hash(body: object) -> str:
    return hashlib.sha256(_text(body)).hexdigest()


def _text(value: object) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=True) + "\n").encode()
