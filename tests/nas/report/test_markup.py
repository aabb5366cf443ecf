from __future__ import annotations

import pytest

from nas.report.markup import Markup, element, text


def test_text_is_escaped():
    assert text('<b> & "c"') == "&lt;b&gt; &amp; &quot;c&quot;"


def test_markup_is_written_as_it_is():
    assert element("p", element("code", "<")) == "<p><code>&lt;</code></p>"


def test_parts_are_escaped_one_by_one():
    assert element("p", ["<", Markup("<i></i>"), ">"]) == "<p>&lt;<i></i>&gt;</p>"


def test_attributes_are_escaped_and_named_as_in_html():
    made = element("div", "", class_="a", aria_label='x" onclick="y')
    assert made == '<div class="a" aria-label="x&quot; onclick=&quot;y"></div>'


def test_an_image_has_no_end_tag():
    assert element("img", alt="a") == '<img alt="a">'


@pytest.mark.parametrize("letter", ["\x00", "\x1b", "\ud800", "\u202e"])
def test_letters_that_can_not_be_seen_are_left_out(letter):
    assert text(f"a{letter}b") == "ab"


def test_lines_are_kept():
    assert text("a\n\tb") == "a\n\tb"
