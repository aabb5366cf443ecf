"""Pages that are kept until what they show has changed."""

from __future__ import annotations

from nas.service.web.page_memory import PageMemory


def test_a_page_is_drawn_once_for_what_it_shows() -> None:
    drawn = []

    def draw() -> bytes:
        drawn.append(1)
        return b"page %d" % len(drawn)

    memory = PageMemory()
    assert [memory.body("seen", draw), memory.body("seen", draw)] == [b"page 1", b"page 1"]
    assert memory.body("changed", draw) == b"page 2"


def test_the_page_that_was_asked_for_longest_ago_is_forgotten() -> None:
    memory = PageMemory(most=2)
    for key in ("a", "b", "a", "c"):
        memory.body(key, key.encode)
    assert memory.body("a", lambda: b"again") == b"a"
    assert memory.body("b", lambda: b"again") == b"again"
