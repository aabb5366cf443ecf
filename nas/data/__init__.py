"""Labelled texts: read from files, encoded once, served in batches that can be resumed."""

from __future__ import annotations

from nas.data.dataset import Batch, EncodedDataset
from nas.data.docstrings import Corpus, docstring_corpus
from nas.data.encoding import encode
from nas.data.examples import Examples, Split
from nas.data.files import load_examples

__all__ = [
    "Batch",
    "Corpus",
    "EncodedDataset",
    "Examples",
    "Split",
    "docstring_corpus",
    "encode",
    "load_examples",
]
