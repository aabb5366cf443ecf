"""Encoding whatever a task's examples are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nas.data import (
    BatchedDataset,
    Examples,
    Images,
    ImageSettings,
    TaggedTexts,
    TextPairs,
    Texts,
    encode,
    encode_images,
    encode_sentence_pairs,
    encode_tagged,
    encode_targets,
    mask_texts,
    pack_texts,
)
from nas.errors import ConfigError
from nas.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """What encoding needs of a model.

    Attributes:
        config: the model's transformers config.
        tokenizer: its tokenizer; None for images.
        images: how it takes images; None for texts.
        max_length: tokens an example is cut to.
        max_target_length: tokens a target text is cut to; `max_length` unless given.
    """

    config: Any
    tokenizer: Any = None
    images: ImageSettings | None = None
    max_length: int = 128
    max_target_length: int | None = None


def encode_for(task: Task, examples: object, encoding: Encoding) -> BatchedDataset:
    """Encode examples as the task needs them.

    Raises:
        ConfigError: the examples are not what the task takes, or the model has no tokenizer.
    """
    if isinstance(examples, Images):
        _require_kind(task, fits=task.name == "image-classification", examples=examples)
        if encoding.images is None:
            raise ConfigError(
                "the model's image settings are not given; pass Encoding(images=ImageSettings(...))."
            )
        return encode_images(examples, encoding.images)
    if encoding.tokenizer is None:
        raise ConfigError("the model has no tokenizer beside it; add its files to the folder.")
    return _encode_texts(task, examples, encoding)


def _encode_texts(task: Task, examples: object, encoding: Encoding) -> BatchedDataset:
    tokenizer, length, kind = encoding.tokenizer, encoding.max_length, task.labels
    if isinstance(examples, Texts) and kind in ("next-token", "masked-token"):
        pack = pack_texts if kind == "next-token" else mask_texts
        return pack(examples, tokenizer, max_length=length)
    if isinstance(examples, TaggedTexts) and kind == "tags":
        return encode_tagged(examples, tokenizer, max_length=length)
    if isinstance(examples, TextPairs) and kind == "target-text":
        return encode_targets(
            examples,
            tokenizer,
            max_length=length,
            max_target_length=encoding.max_target_length,
            decoder_start_token_id=getattr(encoding.config, "decoder_start_token_id", None),
        )
    if isinstance(examples, Examples) and kind == "similarity":
        return encode_sentence_pairs(examples, tokenizer, max_length=length)
    is_text_task = task.name in ("sequence-classification", "regression")
    _require_kind(task, fits=is_text_task and isinstance(examples, Examples), examples=examples)
    assert isinstance(examples, Examples)
    return encode(examples, tokenizer, max_length=length)


def _require_kind(task: Task, *, fits: bool, examples: object) -> None:
    if not fits:
        raise ConfigError(
            f"task {task.name} does not take {type(examples).__name__}; see docs/tasks.md for its data"
        )
