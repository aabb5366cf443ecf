from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter

import pytest

from nas.data import Corpus, docstring_corpus
from nas.data.docstrings import LIBRARIES, LIMIT_PER_LABEL
from nas.data.prose import MASK, is_prose, normal_form
from nas.errors import ConfigError

PACKAGE = '''"""A made-up package: its docstrings are the data of these tests."""


def number_{i}():
    """The {word} function number {i} of {name} gives nothing at all back.

    Args:
        x: This is a parameter, and no sentence of its list may be used.
    """


def shared_{i}():
    """Both of the packages hold this very sentence number {i} in their docstrings."""
'''


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return docstring_corpus()


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Two importable packages of 120 functions each, which fail when they are imported."""
    for name, word in (("firstmade", "quick"), ("secondmade", "slow")):
        (tmp_path / name / "tests").mkdir(parents=True)
        (tmp_path / name / "__init__.py").write_text('raise RuntimeError("imported")')
        (tmp_path / name / "tests" / "test_it.py").write_text(
            '"""Sentences of the tests are not to be read."""'
        )
        (tmp_path / name / "broken.py").write_text("def (:")
        for i in range(120):
            (tmp_path / name / f"m{i}.py").write_text(PACKAGE.format(i=i, word=word, name=name))
    monkeypatch.syspath_prepend(tmp_path)
    return ("firstmade", "secondmade")


def parts(corpus):
    return corpus.train, corpus.validation, corpus.test


def texts(corpus):
    return [text for part in parts(corpus) for text in part.texts]


def test_every_default_library_gives_hundreds_of_sentences(corpus):
    counts = Counter(int(label) for part in parts(corpus) for label in part.labels)
    assert len(counts) == len(LIBRARIES)
    assert min(counts.values()) >= 500


def test_classes_are_nearly_balanced(corpus):
    counts = Counter(int(label) for part in parts(corpus) for label in part.labels)
    assert max(counts.values()) <= LIMIT_PER_LABEL
    assert min(counts.values()) >= 0.8 * max(counts.values())


def test_parts_are_about_80_10_and_10_percent(corpus):
    total = len(texts(corpus))
    shares = [len(part) / total for part in parts(corpus)]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.02)  # 3 standard deviations at 4,000 sentences


def test_every_part_has_every_label(corpus):
    for part in parts(corpus):
        assert part.label_names == LIBRARIES
        assert set(part.labels.tolist()) == set(range(len(LIBRARIES)))


def test_no_sentence_occurs_twice_or_in_two_parts(corpus):
    forms = [normal_form(text) for text in texts(corpus)]
    assert len(set(forms)) == len(forms)


def test_no_library_is_named(corpus):
    names = re.compile(
        r"numpy|torch|sqlalchemy|optuna|transformers|hugging ?face|\bnp\b|\b(ray|rllib)", re.IGNORECASE
    )
    assert [text for text in texts(corpus) if names.search(text)] == []


def test_only_a_minority_of_sentences_holds_the_mask(corpus):
    found = texts(corpus)
    assert sum(MASK in text.lower() for text in found) < 0.2 * len(found)


def test_all_are_prose(corpus):
    assert all(is_prose(text) for text in texts(corpus))


def test_labels_are_mixed_from_the_first_rows_on(corpus):
    assert len(set(corpus.train.labels[:60].tolist())) == len(LIBRARIES)


def test_the_words_tell_the_library_far_better_than_chance_but_not_always(corpus):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10, max_iter=300))
    model.fit(corpus.train.texts, corpus.train.labels)
    assert 0.6 < model.score(corpus.test.texts, corpus.test.labels) < 0.97


def test_a_new_process_gives_the_same_corpus_and_imports_no_library(packages, tmp_path):
    corpus = docstring_corpus(libraries=packages)
    code = (
        "import sys; from nas.data import docstring_corpus; "
        "c = docstring_corpus(libraries=('firstmade', 'secondmade')); "
        "print(c.train.sha256, c.validation.sha256, c.test.sha256, 'torch' in sys.modules)"
    )
    path = [str(tmp_path), *filter(None, sys.path)]
    output = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {code}"],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONHASHSEED": "5"},
    ).stdout
    assert output.split() == [*(part.sha256 for part in parts(corpus)), "False"]


def test_packages_are_read_without_being_imported(packages):
    docstring_corpus(libraries=packages)
    assert not set(packages) & set(sys.modules)


def test_sentences_of_two_libraries_test_folders_and_parameter_lists_are_left_out(packages):
    found = texts(docstring_corpus(libraries=packages))
    assert len(found) > 100
    assert all("function number" in text for text in found)


def test_the_label_is_the_library_that_wrote_the_sentence(packages):
    corpus = docstring_corpus(libraries=packages)
    words = {"firstmade": "quick", "secondmade": "slow"}
    for part in parts(corpus):
        for text, label in zip(part.texts, part.labels, strict=True):
            assert words[part.label_names[label]] in text


def test_the_limit_holds_for_each_label(packages):
    corpus = docstring_corpus(libraries=packages, limit_per_label=50)
    counts = Counter(int(label) for part in parts(corpus) for label in part.labels)
    assert counts == {0: 50, 1: 50}


def test_a_sentence_stays_in_its_part_when_the_limit_changes(packages):
    small = docstring_corpus(libraries=packages, limit_per_label=60)
    large = docstring_corpus(libraries=packages, limit_per_label=110)
    part_of = {text: position for position, part in enumerate(parts(large)) for text in part.texts}
    common = [
        part_of.get(text, position) == position
        for position, part in enumerate(parts(small))
        for text in part.texts
    ]
    assert all(common)
    assert sum(text in part_of for text in texts(small)) > 50


def test_progress_is_reported_from_none_to_all(packages):
    calls = []
    docstring_corpus(libraries=packages, progress=lambda *call: calls.append(call))
    assert [call[:2] for call in calls] == [(0, 2), (1, 2), (2, 2)]
    assert "firstmade" in calls[0][2]


@pytest.mark.parametrize("name", ["not_there_at_all", "numpy.linalg", ""])
def test_a_library_that_is_not_installed_is_named(name):
    with pytest.raises(ConfigError, match=f"'{name}' is not an installed top-level package"):
        docstring_corpus(libraries=("numpy", name))


def test_a_library_without_a_usable_sentence_is_named(packages, tmp_path):
    (tmp_path / "silent").mkdir()
    (tmp_path / "silent" / "__init__.py").write_text("x = 1")
    with pytest.raises(ConfigError, match="no usable sentence in the docstrings of 'silent'"):
        docstring_corpus(libraries=(packages[0], "silent"))


@pytest.mark.parametrize("libraries", [(), ("numpy",), ("numpy", "numpy")])
def test_fewer_than_two_different_libraries_are_refused(libraries):
    with pytest.raises(ConfigError, match="two or more different"):
        docstring_corpus(libraries=libraries)


def test_a_limit_that_could_leave_a_part_empty_is_refused():
    with pytest.raises(ConfigError, match="at least 50"):
        docstring_corpus(limit_per_label=10)
