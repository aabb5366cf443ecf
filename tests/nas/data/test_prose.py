from __future__ import annotations

import pytest

from nas.data.prose import is_prose, name_pattern, normal_form, sentences

NAMES = name_pattern(("numpy", "ray"))


def cut(docstring: str) -> list[str]:
    return list(sentences(docstring, NAMES))


def test_a_paragraph_is_cut_into_its_sentences():
    assert cut("This is one sentence of prose.  Here is\nanother one, on two lines.") == [
        "This is one sentence of prose.",
        "Here is another one, on two lines.",
    ]


def test_abbreviations_do_not_end_a_sentence():
    text = "It takes several values, e.g. a list or a tuple of them."
    assert cut(text) == [text]


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        (":class:`~optimizers.Sampler`", "Sampler"),
        (":meth:`.Query.filter_by`", "filter by"),
        (":ref:`the tutorial <tutorial_top>`", "the tutorial"),
        ("`the tutorial <https://example.org/x>`_", "the tutorial"),
        ("[`BertModel`]", "BertModel"),
        ("[the guide](https://example.org/x)", "the guide"),
        ("``max_length``", "max length"),
        ("`reset()`", "reset"),
        ("**never**", "never"),
    ],
)
def test_markup_is_read_as_words(markup, expected):
    assert cut(f"You may want to look at {markup} for this.") == [
        f"You may want to look at {expected} for this."
    ]


@pytest.mark.parametrize(
    "section",
    [
        "Args:\n    x: The value that is to be used here.",
        "Parameters\n----------\nx : int\n    The value that is to be used here.",
        ":param x: The value that is to be used here.",
        "Example::\n\nThe value that is to be used here.",
        "Returns:\n\nThe value that is to be used here.",
    ],
)
def test_nothing_is_read_from_parameter_lists_on(section):
    assert cut(f"This is one sentence of prose.\n\n{section}") == ["This is one sentence of prose."]


@pytest.mark.parametrize(
    "block",
    [
        ">>> The value that is to be used here.",
        "    The value that is to be used here.\n  Less indented and so not prose either.",
        "- The value that is to be used here.",
        "1. The value that is to be used here.",
        ".. versionadded:: 2.0\n   The value that is to be used here.",
        "```\nThe value that is to be used here.\n```",
        "| The value that is to be used here.",
    ],
)
def test_code_and_lists_are_left_out(block):
    assert cut(f"This is one sentence of prose.\n\n{block}") == ["This is one sentence of prose."]


def test_notes_are_prose():
    assert cut("Short.\n\n.. note::\n    The value that is to be\n    used here is final.") == [
        "The value that is to be used here is final."
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("NumPy", "np", "PyTorch", "torchvision", "Ray", "RayTaskError", "raylet", "RLlib", "Optuna"),
        *("SQLAlchemy", "Transformers", "Hugging Face", "HuggingFace", "HfArgumentParser"),
        "Hugging Face Transformers",
    ],
)
def test_names_of_libraries_are_masked(name):
    assert cut(f"This is what {name} does for you.") == ["This is what library does for you."]


@pytest.mark.parametrize("word", ["array", "NDArray", "gray", "transformer", "input", "sharp"])
def test_words_that_only_contain_a_short_name_are_kept(word):
    text = f"This is what the {word} does for you."
    assert cut(text) == [text]


def test_a_mask_beside_the_word_itself_is_not_repeated():
    assert cut("This is how the NumPy library does it.") == ["This is how the library does it."]


def test_a_masked_first_word_keeps_its_capital():
    assert cut("NumPy has several ways to do that.") == ["Library has several ways to do that."]


def test_names_of_further_libraries_are_masked():
    names = name_pattern(("pydantic", "numpy"))
    assert list(sentences("This is what Pydantic's models do.", names)) == [
        "This is what library's models do."
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Too short to be used.",
        "word " * 41 + "end.",
        "this one starts without a capital letter.",
        "This one ends without a full stop",
        "This one calls reset() in the middle of it.",
        "This one has a name_with_underscores in it.",
        "This one sets a = b in the middle of it.",
        "This one names a.module.path in the middle of it.",
        "This one points to https://example.org in the text.",
        "This one has 12 345 678 901 234 numbers.",
        "This one opens a (parenthesis without closing it.",
        "This one isn’t written in plain characters.",
    ],
)
def test_what_is_not_a_full_english_sentence_is_refused(text):
    assert not is_prose(text.capitalize() if text.startswith("word") else text)


def test_the_normal_form_ignores_case_and_signs():
    assert normal_form("The value, 'x', is USED.") == normal_form("the value x is used")
    assert normal_form("The value x is used.") != normal_form("The value y is used.")
