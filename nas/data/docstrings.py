"""A text classification task that every install already holds: which library wrote this sentence?

The sentences are cut from the docstrings of the installed dependencies with `ast`; nothing is imported
and nothing is downloaded. The corpus is a function of the installed versions: its `sha256` tells them apart.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from nas.data.examples import Examples
from nas.data.prose import name_pattern, normal_form, sentences
from nas.errors import ConfigError

LIBRARIES: tuple[str, ...] = ("numpy", "optuna", "ray", "sqlalchemy", "torch", "transformers")
LIMIT_PER_LABEL = 700
MIN_LIMIT_PER_LABEL = 50

Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with the steps done, the steps in all, and what is being done."""

_SKIPPED_FOLDERS = frozenset(
    {
        *("tests", "test", "testing", "_testing"),
        *("thirdparty_files", "third_party", "thirdparty", "_vendor"),  # another library's prose
        *("examples", "versions"),  # versions: migrations, written by a generator
    }
)
_CANDIDATES_PER_SENTENCE = 2  # a library is read until it has this many times the limit: variety, in seconds
_Documented: TypeAlias = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Three parts without a sentence in common; the label is the library."""

    train: Examples
    validation: Examples
    test: Examples


def docstring_corpus(
    *,
    libraries: Sequence[str] = LIBRARIES,
    limit_per_label: int = LIMIT_PER_LABEL,
    progress: Progress | None = None,
) -> Corpus:
    """Sentences of the libraries' docstrings, 80/10/10 for training, validation and test.

    A sentence's part depends on its text alone, so it never changes sides when libraries are updated.
    Sentences that occur in two libraries are left out.

    Raises:
        ConfigError: a library is not installed, or holds no usable sentence.
    """
    _check(libraries, limit_per_label)
    roots = [_package_folder(library) for library in libraries]
    report = progress or _silent
    found: list[dict[str, str]] = []
    for done, (library, root) in enumerate(zip(libraries, roots, strict=True)):
        report(done, len(libraries), f"reading the docstrings of {library}")
        found.append(_read_library(root, libraries, _CANDIDATES_PER_SENTENCE * limit_per_label))
    rows = _select(found, libraries, limit_per_label)
    report(len(libraries), len(libraries), f"{len(rows)} sentences")
    parts = [[row for row in rows if _part(row.digest) == part] for part in ("train", "validation", "test")]
    train, validation, test = (_examples(part, libraries) for part in parts)
    return Corpus(train=train, validation=validation, test=test)


@dataclass(frozen=True, kw_only=True)
class _Row:
    digest: bytes
    text: str
    label: int


def _check(libraries: Sequence[str], limit_per_label: int) -> None:
    if len(set(libraries)) < 2 or len(set(libraries)) != len(libraries):
        raise ConfigError(f"libraries is {tuple(libraries)}; give two or more different package names.")
    if limit_per_label < MIN_LIMIT_PER_LABEL:
        raise ConfigError(
            f"limit_per_label is {limit_per_label}; it must be at least {MIN_LIMIT_PER_LABEL}, "
            "or a part of the corpus could be empty."
        )


def _package_folder(library: str) -> Path:
    # A dotted name would make find_spec import its parent; a top-level name is only looked up.
    spec = importlib.util.find_spec(library) if library.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            f"{library!r} is not an installed top-level package, so its docstrings cannot be read. "
            f"Install it, or choose other libraries (default: {', '.join(LIBRARIES)})."
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _read_library(root: Path, libraries: Sequence[str], enough: int) -> dict[str, str]:
    """Sentences by their normal form, from files in the order of the hash of their path."""
    names = name_pattern(libraries)
    found: dict[str, str] = {}
    for path in _source_files(root):
        for docstring in _docstrings(path):
            for sentence in sentences(docstring, names):
                found.setdefault(normal_form(sentence), sentence)
        if len(found) >= enough:
            break
    return found


def _source_files(root: Path) -> list[Path]:
    relative = {path.relative_to(root).as_posix(): path for path in root.rglob("*.py")}
    wanted = [name for name in relative if _SKIPPED_FOLDERS.isdisjoint(name.split("/"))]
    return [relative[name] for name in sorted(wanted, key=_digest)]


def _docstrings(path: Path) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the libraries' own invalid escapes
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):  # templates, null bytes, dangling links
        return
    for node in _documented_nodes(tree):
        docstring = ast.get_docstring(node)
        if docstring:
            yield docstring


def _documented_nodes(tree: ast.Module) -> Iterator[_Documented]:
    """The module, its classes and functions; expressions, the bulk of a tree, are not visited."""
    waiting: list[ast.Module | ast.stmt] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, _Documented):
            yield node
        waiting.extend(getattr(node, "body", ()))


def _select(found: Sequence[dict[str, str]], libraries: Sequence[str], limit: int) -> list[_Row]:
    """At most `limit` rows a library, those of lowest hash; all rows in the order of their hashes."""
    seen = Counter(form for sentences_of_one in found for form in sentences_of_one)
    rows: list[_Row] = []
    for label, sentences_of_one in enumerate(found):
        own = [
            _Row(digest=_digest(form), text=text, label=label)
            for form, text in sentences_of_one.items()
            if seen[form] == 1
        ]
        if not own:
            raise ConfigError(f"no usable sentence in the docstrings of {libraries[label]!r}; leave it out.")
        rows.extend(sorted(own, key=lambda row: row.digest)[:limit])
    return sorted(rows, key=lambda row: row.digest)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _part(digest: bytes) -> str:
    bucket = int.from_bytes(digest[8:16], "big") % 10  # not the leading bytes: these choose the rows
    return {8: "validation", 9: "test"}.get(bucket, "train")


def _examples(rows: Sequence[_Row], libraries: Sequence[str]) -> Examples:
    return Examples(
        texts=tuple(row.text for row in rows),
        labels=np.array([row.label for row in rows], dtype=np.int64),
        label_names=tuple(libraries),
    )


def _silent(done: int, total: int, text: str) -> None:
    del done, total, text
