"""Examples of every task: read from files, encoded once, served in batches that can be resumed."""

from __future__ import annotations

from nas.data.arrays import ArrayDataset
from nas.data.batches import Batch, BatchedDataset, LabelKind
from nas.data.dataset import EncodedDataset
from nas.data.docstrings import Corpus, docstring_corpus
from nas.data.encoding import encode, encode_sentence_pairs
from nas.data.examples import Examples, Split
from nas.data.files import load_examples
from nas.data.image_encoding import ImageSettings, encode_features, encode_images
from nas.data.image_files import load_images
from nas.data.images import Images
from nas.data.packing import mask_texts, pack_texts
from nas.data.padding import IGNORED
from nas.data.tagged_files import load_tagged
from nas.data.text_files import load_scored_pairs, load_text_pairs, load_texts
from nas.data.texts import TaggedTexts, TextPairs, Texts
from nas.data.token_labels import encode_tagged, encode_targets

__all__ = [
    "IGNORED",
    "ArrayDataset",
    "Batch",
    "BatchedDataset",
    "Corpus",
    "EncodedDataset",
    "Examples",
    "ImageSettings",
    "Images",
    "LabelKind",
    "Split",
    "TaggedTexts",
    "TextPairs",
    "Texts",
    "docstring_corpus",
    "encode",
    "encode_features",
    "encode_images",
    "encode_sentence_pairs",
    "encode_tagged",
    "encode_targets",
    "load_examples",
    "load_images",
    "load_scored_pairs",
    "load_tagged",
    "load_text_pairs",
    "load_texts",
    "mask_texts",
    "pack_texts",
]
