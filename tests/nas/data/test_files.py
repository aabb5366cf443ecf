from __future__ import annotations

import json
from collections import UserList

import numpy as np
import pytest

from nas.data import load_examples
from nas.errors import ConfigError

ROWS = [
    {"sentence": "a fine film", "label": 1},
    {"sentence": 'he said "no"\tand left', "label": 0},
    {"sentence": "zwei Wörter, naïve\u2028line", "label": 1},
]


def write(tmp_path, name, text, encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def test_a_csv_file_is_read_with_its_quoted_fields(tmp_path):
    path = write(tmp_path, "a.csv", 'sentence,label\n"one, ""two""\nthree",0\nfour,1\n')
    examples = load_examples(path)
    assert examples.texts == ('one, "two"\nthree', "four")
    assert examples.labels.tolist() == [0, 1]
    assert examples.label_names == ("0", "1")


def test_quotes_in_a_tsv_file_are_text(tmp_path):
    path = write(tmp_path, "a.tsv", 'sentence\tlabel\n"So" it began\t0\n"\t1\n')
    assert load_examples(path).texts == ('"So" it began', '"')


def test_quotes_of_a_tsv_file_enclose_fields_on_demand(tmp_path):
    path = write(tmp_path, "a.tsv", 'sentence\tlabel\n"a\tb"\t0\nc\t1\n')
    assert load_examples(path, quotes="standard").texts == ("a\tb", "c")


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_the_data(tmp_path):
    path = write(tmp_path, "a.tsv", "\ufefflabel\tsentence\r\n0\ta\r\n1\tb\r\n")
    assert load_examples(path).texts == ("a", "b")


def test_json_lines_keep_every_character(tmp_path):
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
    examples = load_examples(write(tmp_path, "a.jsonl", lines + "\n\n"))
    assert examples.texts == tuple(row["sentence"] for row in ROWS)
    assert examples.labels.tolist() == [1, 0, 1]


def test_a_json_list_is_read_like_json_lines(tmp_path):
    lines = write(tmp_path, "a.jsonl", "\n".join(map(json.dumps, ROWS)))
    listed = write(tmp_path, "a.json", json.dumps(ROWS, indent=1))
    assert load_examples(listed) == load_examples(lines)


def test_dicts_in_memory_give_the_same_examples_as_a_file(tmp_path):
    assert load_examples(ROWS) == load_examples(write(tmp_path, "a.jsonl", "\n".join(map(json.dumps, ROWS))))


def test_any_sequence_of_dicts_is_read():
    assert load_examples(UserList(ROWS)) == load_examples(ROWS)


def test_a_parquet_file_gives_the_same_examples_as_dicts(tmp_path):
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    assert load_examples(path) == load_examples(ROWS)


def test_a_hugging_face_data_set_brings_its_class_names():
    import datasets

    features = datasets.Features(
        {"sentence": datasets.Value("string"), "label": datasets.ClassLabel(names=["bad", "good"])}
    )
    examples = load_examples(datasets.Dataset.from_list(ROWS, features=features))
    assert examples.texts == tuple(row["sentence"] for row in ROWS)
    assert examples.label_names == ("bad", "good")
    assert examples.labels.tolist() == [1, 0, 1]


def test_a_data_set_formatted_as_tensors_is_read_as_plain_values():
    import datasets

    formatted = datasets.Dataset.from_list(ROWS).with_format("torch")
    assert load_examples(formatted) == load_examples(ROWS)


def test_a_split_is_chosen_from_a_dataset_dict():
    import datasets

    parts = datasets.DatasetDict(
        {"train": datasets.Dataset.from_list(ROWS), "test": datasets.Dataset.from_list(ROWS[:2])}
    )
    assert len(load_examples(parts, split="test")) == 2


@pytest.mark.parametrize("split", [None, "validation"])
def test_the_splits_that_exist_are_listed(split):
    import datasets

    parts = datasets.DatasetDict(
        {"train": datasets.Dataset.from_list(ROWS), "test": datasets.Dataset.from_list(ROWS)}
    )
    with pytest.raises(ConfigError, match="has: train, test"):
        load_examples(parts, split=split)


def test_a_stream_is_refused():
    import datasets

    with pytest.raises(ConfigError, match="without streaming=True"):
        load_examples(datasets.Dataset.from_list(ROWS).to_iterable_dataset())


def test_split_of_a_single_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="chooses from a DatasetDict"):
        load_examples(tmp_path / "a.csv", split="train")


@pytest.mark.parametrize(
    ("columns", "texts", "pairs"),
    [
        (("idx", "sentence1", "sentence2"), "sentence1", "sentence2"),
        (("premise", "hypothesis"), "premise", "hypothesis"),
        (("question", "sentence"), "question", "sentence"),
        (("idx", "#1 String", "#2 String"), "#1 String", "#2 String"),
        (("idx", "text"), "text", None),
        (("words",), "words", None),
    ],
)
def test_text_columns_are_detected(columns, texts, pairs):
    row = {name: f"in {name}" for name in columns} | {"label": 0}
    examples = load_examples([row])
    assert examples.texts == (f"in {texts}",)
    assert examples.text_pairs == (None if pairs is None else (f"in {pairs}",))


def test_a_named_text_column_goes_without_a_pair():
    examples = load_examples([{"sentence1": "a", "sentence2": "b", "label": 0}], text="sentence2")
    assert examples.texts == ("b",)
    assert examples.text_pairs is None


def test_named_columns_are_used():
    rows = [{"x": "a", "y": "b", "z": "c", "gold": "n"}, {"x": "d", "y": "e", "z": "f", "gold": "m"}]
    examples = load_examples(rows, text="z", text_pair="x", label="gold")
    assert (examples.texts, examples.text_pairs) == (("c", "f"), ("a", "d"))
    assert examples.label_names == ("m", "n")


def test_columns_are_listed_when_no_text_column_is_found():
    with pytest.raises(ConfigError, match=r"has 'left', 'right', 'label'\. Pass text="):
        load_examples([{"left": "a", "right": "b", "label": 0}])


@pytest.mark.parametrize("option", ["text", "label"])
def test_columns_are_listed_when_a_named_one_is_missing(option):
    with pytest.raises(ConfigError, match=rf"no column 'gone'; it has 'sentence', 'label'\. Pass {option}="):
        load_examples(ROWS, **({"text": "sentence"} | {option: "gone"}))


def test_a_missing_pair_column_is_named():
    with pytest.raises(ConfigError, match=r"no column 'gone'.*text_pair="):
        load_examples(ROWS, text="sentence", text_pair="gone")


def test_a_pair_without_a_text_is_refused():
    with pytest.raises(ConfigError, match="name both columns"):
        load_examples(ROWS, text_pair="sentence")


def test_a_text_that_is_missing_is_named_with_its_row():
    with pytest.raises(ConfigError, match="row 2: column 'sentence' holds None"):
        load_examples([ROWS[0], {"sentence": None, "label": 0}])


def test_limit_is_the_limit_of_the_examples():
    rows = [{"text": f"{i}", "label": i % 2} for i in range(20)]
    assert load_examples(rows, limit=5) == load_examples(rows).limit(5)


def test_a_limit_does_not_change_the_classes():
    rows = [{"text": f"{i}", "label": f"class {i}"} for i in range(20)]
    assert load_examples(rows, limit=1).label_names == load_examples(rows).label_names


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no file '.*gone\.csv'"):
        load_examples(tmp_path / "gone.csv")


def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match=r"\.csv, \.tsv, \.jsonl"):
        load_examples(write(tmp_path, "a.xml", "<a/>"))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
@pytest.mark.parametrize("content", ["", "\ufeff", " \n\n"])
def test_an_empty_file_is_refused(tmp_path, name, content):
    with pytest.raises(ConfigError, match=rf"{name} is empty"):
        load_examples(write(tmp_path, name, content))


def test_a_header_without_rows_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no rows below a header"):
        load_examples(write(tmp_path, "a.csv", "sentence,label\n"))


def test_a_parquet_file_without_rows_is_refused(tmp_path):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS)[:0], tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match="holds no rows"):
        load_examples(tmp_path / "a.parquet")


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="not a readable Parquet file"):
        load_examples(write(tmp_path, "a.parquet", "sentence,label\na,0\n"))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_file_that_is_not_utf_8_is_refused(tmp_path, encoding):
    with pytest.raises(ConfigError, match=r"not UTF-8.*iconv"):
        load_examples(write(tmp_path, "a.csv", "sentence,label\nWörter,0\n", encoding))


def test_a_row_with_too_many_fields_is_named(tmp_path):
    with pytest.raises(ConfigError, match="row 2 has 3 fields, the header has 2"):
        load_examples(write(tmp_path, "a.csv", "sentence,label\na,0\nb,c,1\n"))


def test_a_quote_that_is_never_closed_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="quotes='literal'"):
        load_examples(write(tmp_path, "a.csv", 'sentence,label\n"a,0\nb,1\n'))


def test_a_column_name_given_twice_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="column name twice"):
        load_examples(write(tmp_path, "a.csv", "label,label\na,0\n"))


def test_a_broken_json_line_is_named(tmp_path):
    with pytest.raises(ConfigError, match="line 2: not valid JSON"):
        load_examples(write(tmp_path, "a.jsonl", '{"text": "a", "label": 0}\n{"text": \n'))


def test_a_json_line_that_is_no_object_is_named(tmp_path):
    with pytest.raises(ConfigError, match="row 2 is a int"):
        load_examples(write(tmp_path, "a.jsonl", '{"text": "a", "label": 0}\n5\n'))


def test_a_row_that_lacks_a_column_is_named():
    with pytest.raises(ConfigError, match=r"row 2 lacks \['label'\]"):
        load_examples([{"text": "a", "label": 0}, {"text": "b"}])


@pytest.mark.parametrize("source", [{"text": ["a"], "label": [0]}, 5, np.zeros(3)])
def test_other_sources_are_refused(source):
    with pytest.raises(ConfigError, match="cannot be read from a"):
        load_examples(source)
