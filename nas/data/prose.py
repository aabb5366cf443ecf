"""English sentences of a docstring: markup removed, library names masked."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence

MASK = "library"
MIN_WORDS = 6
MAX_WORDS = 40
MIN_LETTER_SHARE = 0.85

_ALIASES: dict[str, str] = {
    "numpy": r"\w*numpy\w*|\bnp\b",
    "torch": r"\w*torch\w*",
    "sqlalchemy": r"\w*sqlalchemy\w*",
    "ray": r"\bray\w*|(?-i:\w*Ray\w*)|\brllib\w*",
    "optuna": r"\w*optuna\w*",
    "transformers": r"\w*transformers\w*|\w*hugging[ -]?face\w*|\bhf\w*",
}

_SECTION_WORDS = (
    "Args|Arguments|Keyword Args|Keyword Arguments|Parameters|Raises|Returns|Return|Yields|Attributes|Attrs|"
    "Example|Examples|Usage|References|See Also|Notes|Note|Shape|Inputs|Outputs"
)
_PARAMETER_LIST = re.compile(
    rf"^[ ]*(?:{_SECTION_WORDS}):?:?[ ]*$"  # Google
    r"|^[ ]*\S.*\n[ ]*-{3,}[ ]*$"  # numpydoc
    r"|^[ ]*(?::(?:param|type|returns?|rtype|raises?|arg|keyword)\b|@\w+)",  # reStructuredText, epytext
    re.MULTILINE,
)
_ADMONITION = re.compile(
    r"^[ ]*\.\. +(?:note|warning|tip|important|caution|attention|seealso)::[ ]*(.*)$", re.MULTILINE
)
_NOT_PROSE = re.compile(r"\s|[-*+•] |\d+[.)] |>>>|\.\. |[|+=~#^$<]|```")

_LINK = re.compile(r"\[([^\]\[]+)\](?:\([^)]*\))?")
_TITLED = re.compile(r"(?::[\w:+-]+:)?`([^`<]+?)\s*<[^`>]*>`_{0,2}")
_CODE = re.compile(r"(?::[\w:+-]+:)?`+([^`]+)`+_{0,2}")
_EMPHASIS = re.compile(r"\*{1,2}(\w[^*]*)\*{1,2}")

_SENTENCE_END = re.compile(r"(?<=[a-z\d)\"'][.!?])\s+(?=[A-Z])")
_CODE_LIKE = re.compile(
    r"[_=<>{}\[\]|\\#@$~^*`+&%]|::|//|\w\(|--|\bhttps?\b|:(?! [a-z])"
    r"|[A-Za-z]{2,}\.\w|\w\.[A-Za-z]{2,}"  # dotted names, not "e.g."
)


def name_pattern(libraries: Sequence[str]) -> re.Pattern[str]:
    """A pattern for the known libraries' names and aliases, and those of `libraries`."""
    others = [rf"\w*{re.escape(name)}\w*" for name in libraries if name not in _ALIASES]
    names = "|".join([*_ALIASES.values(), *others])
    return re.compile(rf"(?:{names})(?:\s+(?:{names}|{MASK}\b))*", re.IGNORECASE)


def sentences(docstring: str, names: re.Pattern[str]) -> Iterator[str]:
    """The full sentences of the text before any parameter list, names replaced by the word "library"."""
    for paragraph in _paragraphs(docstring):
        text = names.sub(MASK, _without_markup(" ".join(paragraph.split())))
        yield from filter(is_prose, map(_capitalised, _SENTENCE_END.split(text)))


def is_prose(sentence: str) -> bool:
    """Whether this is one English sentence of 6 to 40 words without code in it."""
    words = sentence.split()
    if not MIN_WORDS <= len(words) <= MAX_WORDS or not sentence.isascii():
        return False
    if not sentence[0].isupper() or not sentence.endswith(".") or _CODE_LIKE.search(sentence):
        return False
    if sentence.count("(") != sentence.count(")"):
        return False
    letters = sum(character.isalpha() for character in sentence)
    return letters >= MIN_LETTER_SHARE * sum(len(word) for word in words)


def normal_form(sentence: str) -> str:
    """The sentence's words in lower case: equal for sentences that differ in signs or case only."""
    return " ".join(re.findall(r"[a-z0-9]+", sentence.lower()))


def _capitalised(sentence: str) -> str:
    return MASK.capitalize() + sentence[len(MASK) :] if sentence.startswith(MASK) else sentence


def _paragraphs(docstring: str) -> Iterator[str]:
    parameters = _PARAMETER_LIST.search(docstring)
    text = docstring[: parameters.start()] if parameters else docstring
    for block in re.split(r"\n\s*\n", _ADMONITION.sub(r"\n\1", text)):
        paragraph = inspect.cleandoc("\n" + block)
        if paragraph and not any(_NOT_PROSE.match(line) for line in paragraph.splitlines()):
            yield paragraph


def _without_markup(text: str) -> str:
    for pattern in (_LINK, _TITLED):
        text = pattern.sub(r"\1", text)
    return _EMPHASIS.sub(r"\1", _CODE.sub(_spoken, text))


def _spoken(code: re.Match[str]) -> str:
    """`~package.Class.method_name()` as a reader would say it: "method name"."""
    name = code.group(1).strip()
    if " " in name:
        return name
    return name.removesuffix("()").rsplit(".", 1)[-1].lstrip("~!").replace("_", " ").strip()
