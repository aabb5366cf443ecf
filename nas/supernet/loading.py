"""Reading a pretrained model safely, from a folder or a hub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from safetensors import SafetensorError
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.image_processing_base import ImageProcessingMixin
from transformers.utils.hub import cached_file

from nas.data import ImageSettings
from nas.errors import ConfigError, UnsupportedModelError
from nas.families import family_of
from nas.supernet.model_folders import refuse_unsafe
from nas.tasks import Task, head_class, task_of

#: A folder with none of these has no tokenizer; transformers would make an empty one up.
TOKENIZER_FILES: Final = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
)


def load_pretrained(
    source: str | Path,
    *,
    task: str,
    num_labels: int | None = None,
    label_names: Sequence[str] | None = None,
    revision: str | None = None,
    dtype: str = "float32",
    seed: int = 0,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase | None]:
    """Load a model with a head for the task, and its tokenizer if it has one.

    A fresh head is a function of `seed`. Only safetensors are read, no code of the model's author runs, and a
    folder never causes a download.

    Raises:
        ConfigError: no such folder or hub id, unknown task, no head for it, or labels that do not match.
        UnsupportedModelError: unknown model type, or a config that asks for code.
    """
    wanted = task_of(task)
    is_folder = Path(source).is_dir()
    if is_folder:
        refuse_unsafe(Path(source) / "config.json")
    common: dict[str, Any] = {
        "revision": revision,
        "trust_remote_code": False,
        "local_files_only": is_folder,
    }
    try:
        if not is_folder:
            _refuse_unsafe_hub(str(source), revision)
        config = AutoConfig.from_pretrained(str(source), **common)
        family_of(config.model_type)
        head = head_class(wanted, config)
        _label(config, wanted, num_labels, label_names)
        with quiet_transformers(), torch.random.fork_rng():
            torch.manual_seed(seed)
            model: PreTrainedModel = head.from_pretrained(
                str(source), config=config, dtype=dtype, use_safetensors=True, **common
            )
    except (ConfigError, UnsupportedModelError):
        raise
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ConfigError(f"cannot load model {str(source)!r}: {_reason(error)}{_hint(source)}") from error
    tokenizer = load_tokenizer(source, **common)
    agree_on_padding(model, tokenizer, wanted)
    return model, tokenizer


def _refuse_unsafe_hub(source: str, revision: str | None) -> None:
    """The checks of a folder, on what a hub has; it stays in the hub's cache."""
    for name in ("adapter_config.json", "tokenizer_config.json", "generation_config.json"):
        cached_file(
            source,
            name,
            revision=revision,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
    found = cached_file(source, "config.json", revision=revision)
    assert found is not None  # what is missing is raised
    refuse_unsafe(Path(found))


def agree_on_padding(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None, task: Task) -> None:
    """Tell a decoder with a classification head which token data are padded with.

    It classifies by the last token that is no padding. Its config may name none, or another.
    """
    if tokenizer is None or task.labels not in ("class", "number"):
        return
    own = tokenizer.pad_token_id
    used = tokenizer.eos_token_id if own is None else own
    shape = family_of(model.config.model_type).describe(model)
    if used is not None and shape.is_causal and not shape.num_encoder_layers:
        model.config.pad_token_id = used


def load_tokenizer(source: str | Path, **common: Any) -> PreTrainedTokenizerBase | None:
    """The tokenizer beside a model, or None where there is none."""
    folder = Path(source)
    if folder.is_dir() and not any((folder / name).is_file() for name in TOKENIZER_FILES):
        return None
    try:
        with quiet_transformers():
            tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(source), **common)
    except (OSError, ValueError):
        return None
    for name in ("local_files_only", "is_local"):  # of this loading; they would be saved with it
        tokenizer.init_kwargs.pop(name, None)
    return tokenizer


def check_task(task: str) -> None:
    """Raise ConfigError for a task that is not known."""
    task_of(task)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Progress bars and load reports off for the length of the block: a fresh head is expected here."""
    logging: Any = transformers.logging
    level, has_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if has_bar:
            logging.enable_progress_bar()


def load_image_settings(source: str | Path, config: Any, *, revision: str | None = None) -> ImageSettings:
    """How a model takes images: its size of them, and the means of its image processor.

    Only the processor's settings are read; none of its code runs.

    Raises:
        ConfigError: the model has no image processor beside it, or that names no mean.
    """
    is_folder = Path(source).is_dir()
    try:
        record, _ = ImageProcessingMixin.get_image_processor_dict(
            str(source), revision=revision, local_files_only=is_folder
        )
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"model {str(source)!r} has no preprocessor_config.json, which says how images are normalised; "
            "add one with image_mean and image_std"
        ) from error
    size = config.image_size
    channels = getattr(config, "num_channels", 3)
    is_normalised = record.get("do_normalize", True)
    if is_normalised and not (record.get("image_mean") and record.get("image_std")):
        raise ConfigError(f"the image processor of {str(source)!r} has no image_mean and image_std; add them")
    return ImageSettings(
        image_size=(size, size) if isinstance(size, int) else (int(size[0]), int(size[1])),
        mean=tuple(record["image_mean"]) if is_normalised else (0.0,) * channels,
        std=tuple(record["image_std"]) if is_normalised else (1.0,) * channels,
        rescale_factor=record.get("rescale_factor", 1 / 255) if record.get("do_rescale", True) else 1.0,
    )


def _label(config: Any, task: Task, num_labels: int | None, label_names: Sequence[str] | None) -> None:
    if not task.has_classes and task.labels != "number":
        if num_labels is not None or label_names is not None:
            raise ConfigError(f"task {task.name} has no classes; leave num_labels and label_names out")
        return
    if task.labels == "number":
        if num_labels not in (None, 1):
            raise ConfigError(f"task regression has one output; got num_labels {num_labels}")
        config.num_labels, config.problem_type = 1, "regression"
        return
    if label_names is not None and num_labels not in (None, len(label_names)):
        raise ConfigError(f"num_labels is {num_labels}, but {len(label_names)} label names were given")
    if label_names is not None:
        own = [config.id2label.get(index) for index in range(config.num_labels)]
        if set(own) == set(label_names) and own != list(label_names):
            raise ConfigError(
                f"label_names {list(label_names)} are the model's in another order; it has {own}"
            )
        config.id2label = dict(enumerate(label_names))
        config.label2id = {name: index for index, name in enumerate(label_names)}
    elif num_labels is not None:
        config.num_labels = num_labels


def _reason(error: Exception) -> str:
    if "ignore_mismatched_sizes" in str(error):
        return (
            "its head has another number of outputs; leave num_labels and label_names out, "
            "or give as many as it was trained with"
        )
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _hint(source: str | Path) -> str:
    if Path(source).exists():
        return ""
    return "; no such folder here, so it was looked up as a hub id: give a folder, or check the network"
