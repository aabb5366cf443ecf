"""HTML put together from elements; text is escaped unless it is markup already."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final, Literal, TypeAlias

Name: TypeAlias = Literal[
    "a", "caption", "code", "dd", "details", "div", "dl", "dt", "figcaption", "figure", "h1", "h2", "h3",
    "h4", "header", "img", "li", "main", "nav", "p", "pre", "section", "span", "summary", "table", "tbody",
    "td", "th", "thead", "tr", "ul",
]  # fmt: skip

_VOID: Final = ("img",)


class Markup(str):
    """HTML that is written as it is."""

    __slots__ = ()


Content: TypeAlias = "str | Markup | Iterable[str | Markup]"


def element(name: Name, content: Content = "", **attributes: str) -> Markup:
    """An element; `class_` stands for `class`, an underscore in a name for a hyphen."""
    opened = "".join(f' {_attribute(key)}="{escape(value)}"' for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{opened}>")
    return Markup(f"<{name}{opened}>{text(content)}</{name}>")


def text(content: Content) -> Markup:
    """Content as markup: text escaped, control characters that HTML has no way to write left out."""
    if isinstance(content, Markup):
        return content
    if isinstance(content, str):
        return Markup(
            escape("".join(letter for letter in content if letter.isprintable() or letter in "\n\t"))
        )
    return Markup("".join(text(part) for part in content))


def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-")
