"""Columns by name, from CSV, TSV, JSON lines, Parquet, a `datasets.Dataset` or a list of dicts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from nas.errors import ConfigError

Quotes: TypeAlias = Literal["standard", "literal"]
"""`standard`: a field in double quotes may hold separators and line ends. `literal`: a quote is text."""

_JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
_SUFFIXES = (".csv", ".tsv", *_JSON_SUFFIXES, ".parquet")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Named columns of equal length.

    Attributes:
        where: the source as messages call it.
        read: all values of a column.
        class_names: what the source itself says about its class columns.
    """

    where: str
    names: tuple[str, ...]
    read: Callable[[str], Sequence[object]]
    class_names: Mapping[str, tuple[str, ...]]


def table_from_file(path: Path, quotes: Quotes | None) -> Table:
    """Read a file by its suffix; `quotes` is `literal` for TSV and `standard` for CSV unless given."""
    if not path.is_file():
        raise ConfigError(
            f"there is no file {str(path)!r}. Correct the path; for a data set of the Hugging Face Hub pass "
            "the object that datasets.load_dataset returns."
        )
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _table_from_parquet(path)
    if suffix in _JSON_SUFFIXES:
        return table_from_rows(_json_rows(decoded(path), path.name), where=path.name)
    if suffix in (".csv", ".tsv"):
        default: Quotes = "standard" if suffix == ".csv" else "literal"
        return _table_from_separated(path, "," if suffix == ".csv" else "\t", quotes or default)
    raise ConfigError(f"{path.name} is of an unknown format; allowed suffixes: {', '.join(_SUFFIXES)}.")


def table_from_rows(rows: Iterable[object], *, where: str) -> Table:
    """Columns of a sequence of dicts that all have the keys of the first."""
    columns: dict[str, list[object]] = {}
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise ConfigError(f"{where}, row {number} is a {type(row).__name__}; each row must be a mapping.")
        if number == 1:
            columns = {str(name): [] for name in row}
        missing = [name for name in columns if name not in row]
        if missing:
            raise ConfigError(f"{where}, row {number} lacks {missing}; the first row has {list(columns)}.")
        for name, values in columns.items():
            values.append(row[name])
    if not columns:
        raise ConfigError(f"{where} holds no rows; give at least one.")
    return Table(where=where, names=tuple(columns), read=columns.__getitem__, class_names={})


def table_from_dataset(dataset: Any, *, where: str) -> Table:
    """Columns of a `datasets.Dataset`, with the names of its `ClassLabel` features."""
    if not hasattr(dataset, "__len__") or not dataset.column_names:
        raise ConfigError(f"{where} is a stream; load it without streaming=True, so that it has a length.")
    if not len(dataset):
        raise ConfigError(f"{where} holds no rows; give at least one.")
    plain = dataset.with_format(None)
    names = {name: getattr(feature, "names", None) for name, feature in dataset.features.items()}
    return Table(
        where=where,
        names=tuple(dataset.column_names),
        read=lambda name: list(plain[name]),
        class_names={name: tuple(classes) for name, classes in names.items() if classes},
    )


def _table_from_parquet(path: Path) -> Table:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise ConfigError(
            'Parquet files are read by pyarrow, which is not installed: pip install "subnas[data]".'
        ) from error
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except pyarrow.ArrowException as error:
        raise ConfigError(f"{path.name} is not a readable Parquet file ({error}). Write it again.") from error
    if not file.metadata.num_rows:
        raise ConfigError(f"{path.name} holds no rows; give at least one.")

    def read(name: str) -> Sequence[object]:
        values: list[object] = file.read(columns=[name]).column(0).to_pylist()
        return values

    return Table(where=path.name, names=tuple(file.schema_arrow.names), read=read, class_names={})


def _table_from_separated(path: Path, delimiter: str, quotes: Quotes) -> Table:
    lines = io.StringIO(decoded(path), newline="")
    if quotes == "literal":
        reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        rows = [row for row in reader if row]
    except csv.Error as error:
        raise ConfigError(
            f"{path.name}, line {reader.line_num}: {error}. Repair the quotes, or pass quotes='literal' when "
            "they are part of the text."
        ) from error
    return _table_from_fields(rows, path.name)


def _table_from_fields(rows: Sequence[Sequence[str]], where: str) -> Table:
    if len(rows) < 2:
        raise ConfigError(
            f"{where} holds no rows below a header; give the column names and at least one row."
        )
    header, *body = rows
    if len(set(header)) != len(header):
        raise ConfigError(f"{where} has a column name twice: {header}; each needs its own.")
    for number, row in enumerate(body, start=1):
        if len(row) != len(header):
            raise ConfigError(
                f"{where}, row {number} has {len(row)} fields, the header has {len(header)} ({header}). "
                "Repair the row, or set quotes to 'standard' or 'literal' as the file was written."
            )
    columns = dict(zip(header, zip(*body, strict=True), strict=True))
    return Table(where=where, names=tuple(header), read=columns.__getitem__, class_names={})


def decoded(path: Path) -> str:
    """Text of a UTF-8 file; ConfigError where it is missing, empty or of another encoding."""
    if not path.is_file():
        raise ConfigError(f"there is no file {str(path)!r}. Correct the path.")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path.name} is not UTF-8 (byte {error.start} is {error.object[error.start]:#04x}). Convert it, "
            f"for example: iconv -f LATIN1 -t UTF-8 {path.name}"
        ) from error
    if not text.strip():
        raise ConfigError(f"{path.name} is empty; give at least one row.")
    return text


def _json_rows(text: str, where: str) -> Iterator[object]:
    if text.lstrip().startswith("["):
        yield from _parsed(text, where)
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _parsed(line, f"{where}, line {number}")


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: not valid JSON ({error}). Write one object a line.") from error
