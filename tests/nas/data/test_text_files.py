from __future__ import annotations

import json

import pytest

from nas.data import load_scored_pairs, load_tagged, load_text_pairs, load_texts
from nas.errors import ConfigError


def write(path, text: str):
    path.write_text(text, encoding="utf-8")
    return path


def rows(path, records):
    return write(path, "\n".join(json.dumps(record) for record in records))


def test_a_text_file_is_one_document(tmp_path):
    path = write(tmp_path / "book.txt", "One.\n\nTwo.\n")
    assert load_texts(path).texts == ("One.\n\nTwo.\n",)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_row_of_a_table_is_one_document(tmp_path, suffix):
    path = tmp_path / f"texts{suffix}"
    if suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.table({"id": [1, 2], "text": ["One.", "Two."]}), path)
    elif suffix == ".csv":
        write(path, "id,text\n1,One.\n2,Two.\n")
    else:
        rows(path, [{"id": 1, "text": "One."}, {"id": 2, "text": "Two."}])
    assert load_texts(path).texts == ("One.", "Two.")


def test_the_text_column_can_be_named(tmp_path):
    path = rows(tmp_path / "t.jsonl", [{"id": "x", "body": "One."}])
    assert load_texts(path, text="body").texts == ("One.",)
    with pytest.raises(ConfigError, match=r"none of the columns 'text', .*; it has 'id', 'body'. Pass text="):
        load_texts(path)


def test_a_limit_is_part_of_the_hash(tmp_path):
    path = write(tmp_path / "book.txt", "One.")
    assert load_texts(path).sha256 != load_texts(path, limit=3).sha256


@pytest.mark.parametrize("name", ["none.txt", "none.csv"])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(ConfigError, match=f"there is no file .*{name}"):
        load_texts(tmp_path / name)


def test_sources_and_targets_are_read_by_their_usual_names(tmp_path):
    path = write(tmp_path / "pairs.csv", "id,source,target\n1,deep sea,mer profonde\n2,ship,navire\n")
    pairs = load_text_pairs(path)
    assert pairs.sources == ("deep sea", "ship")
    assert pairs.targets == ("mer profonde", "navire")


def test_named_columns_come_before_usual_ones(tmp_path):
    path = rows(tmp_path / "p.jsonl", [{"text": "a", "target": "b", "title": "c"}])
    assert load_text_pairs(path, target="title").targets == ("c",)


def test_scores_are_brought_to_the_range_of_zero_to_one(tmp_path):
    path = write(tmp_path / "sts.csv", "sentence1,sentence2,score\na,b,5\nc,d,0\ne,f,2.5\n")
    pairs = load_scored_pairs(path, score_range=(0, 5))
    assert pairs.labels.tolist() == [1.0, 0.0, 0.5]
    assert pairs.text_pairs == ("b", "d", "f")


def test_scores_outside_their_range_are_refused(tmp_path):
    path = write(tmp_path / "sts.csv", "sentence1,sentence2,score\na,b,5\nc,d,0\n")
    with pytest.raises(ConfigError, match="between 0 and 5, outside 0 to 1; pass score_range="):
        load_scored_pairs(path)


@pytest.mark.parametrize("given", [(5, 0), (1,), (0, 1, 2)])
def test_a_range_that_is_none_is_refused(tmp_path, given):
    path = write(tmp_path / "sts.csv", "sentence1,sentence2,score\na,b,0\n")
    with pytest.raises(ConfigError, match="give the lowest and the highest score"):
        load_scored_pairs(path, score_range=given)


# Words with tags

CONLL = "-DOCSTART- -X- O\n\ndeep JJ O\nsea NN B-LOC\n\n\nship NN O\n"


@pytest.mark.parametrize("name", ["train.conll", "train.txt", "train.bio"])
def test_a_conll_file_has_a_word_a_line_and_the_tag_last(tmp_path, name):
    tagged = load_tagged(write(tmp_path / name, CONLL))
    assert tagged.words == (("deep", "sea"), ("ship",))
    assert tagged.label_names == ("B-LOC", "O")
    assert tagged.tags == ((1, 0), (1,))


def test_rows_of_lists_are_sentences(tmp_path):
    path = rows(
        tmp_path / "t.jsonl",
        [{"tokens": ["deep", "sea"], "ner_tags": [0, 1]}, {"tokens": ["ship"], "ner_tags": [2]}],
    )
    tagged = load_tagged(path, label_names=["O", "B", "I"])
    assert tagged.tags == ((0, 1), (2,))
    assert tagged.label_names == ("O", "B", "I")


def test_a_tag_that_training_did_not_have_is_refused(tmp_path):
    path = write(tmp_path / "test.conll", CONLL)
    with pytest.raises(ConfigError, match="has the label 'B-LOC'; allowed: 'O'"):
        load_tagged(path, label_names=["O"])


@pytest.mark.parametrize(
    ("text", "message"),
    [("deep JJ O\nsea\n", "line 2 has one column, 'sea'"), ("\n\n", "is empty")],
)
def test_a_damaged_conll_file_is_refused(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load_tagged(write(tmp_path / "t.conll", text))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"tokens": ["deep"], "tags": ["O", "O"]}, "sentence 1 has 1 words and 2 tags"),
        ({"tokens": "deep sea", "tags": ["O"]}, "row 1: the words are 'deep sea'; they must be a list"),
        ({"tokens": [], "tags": []}, "sentence 1 has 0 words"),
        ({"tokens": [7], "tags": ["O"]}, "has the word 7; words are texts"),
        ({"tokens": ["deep"], "tags": ["0.5"]}, "tags are numbers with a decimal point"),
    ],
)
def test_rows_that_are_no_sentences_are_refused(tmp_path, record, message):
    with pytest.raises(ConfigError, match=message):
        load_tagged(rows(tmp_path / "t.jsonl", [record]))
