from __future__ import annotations

import base64
import hashlib
import re
import sys
from html.parser import HTMLParser

import pytest

from nas.errors import ConfigError
from nas.report.blocks import BlockWriter
from nas.report.document import (
    Bar,
    Chart,
    Code,
    Document,
    Facts,
    Gallery,
    Heading,
    Paragraph,
    Picture,
    Section,
    Table,
)
from nas.report.page import page_of, write_page

pytest.importorskip("vl_convert")

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
CHART = Chart(
    spec={"data": {"values": [{"x": 1, "label": EVIL}]}, "mark": "point"}, caption="A chart", description=EVIL
)
PICTURE = Picture(svg="<svg></svg>", caption="A picture", description="a square")
TABLE = Table(
    caption="Sizes",
    headings=(Heading(title="Name", is_number=False), Heading(title="Share")),
    rows=(("a", Bar(share=0.5, text="50 %")),),
)


def document(*blocks, title="A study"):
    return Document(title=title, sections=(Section(title="First", anchor="first", blocks=blocks),))


class Elements(HTMLParser):
    """Start tags with their attributes."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def of(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def page():
    blocks = (
        Paragraph(text=EVIL),
        Facts(values={EVIL: EVIL}),
        TABLE,
        CHART,
        PICTURE,
        Code(title="", text=EVIL),
    )
    return page_of(document(*blocks, title=EVIL))


@pytest.fixture(scope="module")
def elements(page):
    return Elements(page)


def test_text_from_outside_makes_no_element(page, elements):
    assert EVIL not in page
    assert [attributes for attributes in elements.of("img") if attributes.get("src") == "x"] == []


def test_every_script_that_runs_is_named_by_its_hash_in_the_policy(page, elements):
    policy = elements.of("meta")[1]["content"]
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert len(scripts) == 2
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    assert f"script-src {allowed};" in policy


def test_the_policy_allows_nothing_that_is_not_in_the_page(elements):
    policy = elements.of("meta")[1]["content"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data: blob:"
    assert "unsafe" not in rules["script-src"]
    assert {"base-uri", "form-action"} <= {name for name, value in rules.items() if value == "'none'"}


def test_nothing_is_loaded_from_elsewhere(elements):
    addresses = [
        attributes[name]
        for _, attributes in elements.found
        for name in ("src", "href", "action", "srcset")
        if name in attributes
    ]
    assert addresses
    assert [one for one in addresses if not one.startswith(("#", "data:"))] == []


def test_a_page_without_charts_has_no_script():
    assert Elements(page_of(document(TABLE))).of("script") == []


def test_pictures_say_what_they_show(elements):
    assert [attributes["alt"] for attributes in elements.of("img")] == ["a square"]


def test_charts_say_what_they_show(elements):
    assert [a["aria-label"] for a in elements.of("div") if a.get("class") == "chart"] == [EVIL]


def test_tables_have_a_caption_and_headings_of_columns_and_rows():
    written = BlockWriter().block(TABLE)
    assert "<caption>Sizes</caption>" in written
    assert [attributes["scope"] for attributes in Elements(written).of("th")] == ["col", "col", "row"]


def test_sections_are_reached_from_the_contents(elements):
    assert elements.of("a")[0]["href"] == "#first"
    assert elements.of("section")[0] == {"id": "first", "aria-labelledby": "first-heading"}


def test_charts_have_ids_of_their_own():
    written = BlockWriter().section(document(CHART, CHART).sections[0])
    ids = [a["id"] for _, a in Elements(written).found if "id" in a]
    assert len(set(ids)) == len(ids) == 6


def test_a_gallery_holds_its_pictures():
    assert len(Elements(BlockWriter().block(Gallery(pictures=(PICTURE, PICTURE)))).of("img")) == 2


@pytest.mark.parametrize(("share", "width"), [(-1.0, "0.00em"), (0.5, "3.00em"), (7.0, "6.00em")])
def test_a_bar_is_as_long_as_its_share(share, width):
    table = Table(caption="", headings=(Heading(title=""),), rows=((Bar(share=share, text=""),),))
    assert f"width:{width}" in BlockWriter().block(table)


def test_many_lines_may_be_folded_away():
    assert "<details><summary>All</summary>" in BlockWriter().block(
        Code(title="All", text="x", is_folded=True)
    )


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ConfigError, match="a row has 1 cells; give 2"):
        Table(caption="t", headings=TABLE.headings, rows=(("a",),))


def test_an_older_report_is_replaced(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    assert write_page(path, document()) == path
    assert "old" not in path.read_text(encoding="utf-8")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_charts_without_the_extra_name_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(ConfigError, match="subnas\\[report\\]"):
        page_of(document(CHART))
