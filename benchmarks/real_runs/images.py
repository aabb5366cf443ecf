"""DINOv2-small on Fashion-MNIST: fine-tuned, ranked, trained as a supernet, searched by accuracy and latency.

Images are enlarged to 56 × 56, which makes 16 patches. Validation data are a part of the training set that is
not trained on; the test set is Fashion-MNIST's own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from transformers import AutoModel, AutoModelForImageClassification

import nas
from benchmarks.assets import dinov2_small, fashion_mnist
from benchmarks.real_runs import run, steps
from nas.data import ArrayDataset, Images, ImageSettings, encode_images, load_images

BUDGETS: Final = tuple(f"latency_ms <= {share} * baseline" for share in (0.75, 0.5, 0.3))
IMAGE_SIZE: Final = 56
_PROCESSOR: Final = "preprocessor_config.json"
#: In the order of Fashion-MNIST's labels.
CLASSES: Final = (
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "boot",
)


def main(arguments: list[str]) -> None:
    """Run, or go on, and print the table."""
    settings = run.settings_of(run.options("images", __doc__, trials=40).parse_args(arguments))
    source = resized(run.folder_of(dinov2_small(settings.cache)), settings.folder / "model")
    train, validation, test = _data(source, run.folder_of(fashion_mnist(settings.cache)), settings)

    def start() -> nas.Supernet:
        return nas.Supernet.from_pretrained(
            source, task="image-classification", label_names=CLASSES, seed=settings.seed
        )

    supernet = run.built(settings.folder / "supernet", start, _steps(train, settings))
    study = nas.create_study(
        "fashion-mnist",
        supernet=supernet,
        objectives=["max accuracy", "min latency_ms"],
        target=nas.Target.local(batch_size=1),
        storage=run.storage_in(settings.folder),
        seed=settings.seed,
        load_if_exists=True,
    )
    run.searched(study, nas.DatasetEvaluator(data=validation), settings)
    found = run.rows(
        study,
        BUDGETS,
        settings.folder / "exports",
        lambda model: steps.accuracy(model, AutoModelForImageClassification, test),
    )
    print(run.table(found, ("latency_ms", "accuracy"), "accuracy on test"))


def resized(source: Path, folder: Path) -> Path:
    """A DINOv2 whose own image size is `IMAGE_SIZE`, so that latency and exports are those of such images.

    The positions are interpolated once, as its forward otherwise does each time.
    """
    if (folder / _PROCESSOR).exists():
        return folder
    model: Any = AutoModel.from_pretrained(source)
    embeddings, config = model.embeddings, model.config
    patches = (IMAGE_SIZE // config.patch_size) ** 2
    with torch.no_grad():
        like = torch.zeros(1, 1 + patches, config.hidden_size)
        positions = embeddings.interpolate_pos_encoding(like, IMAGE_SIZE, IMAGE_SIZE)
    embeddings.position_embeddings = torch.nn.Parameter(positions)
    config.image_size = IMAGE_SIZE
    model.save_pretrained(folder)
    processor = json.loads((source / _PROCESSOR).read_text(encoding="utf-8"))
    processor["size"] = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    (folder / _PROCESSOR).write_text(json.dumps(processor, indent=2) + "\n", encoding="utf-8")
    return folder


def _data(
    model: Path, folder: Path, settings: run.Settings
) -> tuple[ArrayDataset, ArrayDataset, ArrayDataset]:
    """Training, validation and test images, as the model takes them."""
    processor = json.loads((model / _PROCESSOR).read_text(encoding="utf-8"))
    wanted = ImageSettings(
        image_size=(IMAGE_SIZE, IMAGE_SIZE),
        mean=tuple(processor["image_mean"]),
        std=tuple(processor["image_std"]),
    )
    every = load_images(folder / "train-images-idx3-ubyte.gz", label_names=CLASSES)
    order = np.random.default_rng(settings.seed).permutation(len(every))
    num_train, num_validation = settings.size(20_000, 64), settings.size(2_000, 32)
    test = load_images(
        folder / "t10k-images-idx3-ubyte.gz", label_names=CLASSES, limit=settings.size(10_000, 32)
    )
    parts: tuple[Images, ...] = (
        every.take(order[:num_train]),
        every.take(order[-num_validation:]),
        test,
    )
    first, second, third = (encode_images(part, wanted) for part in parts)
    return first, second, third


def _steps(train: ArrayDataset, settings: run.Settings) -> dict[str, run.Step]:
    """One epoch for the full model; then units are sorted and sub-networks distilled by the sandwich rule."""
    options = nas.TrainOptions(batch_size=64, learning_rate=5e-5, seed=settings.seed)
    return {
        "finetuned": steps.training(train, "standard", settings.size(len(train) // 64, 2), options),
        "ranked": steps.ranking(train, settings.size(512, 32)),
        "trained": steps.training(train, "sandwich_kd", settings.size(800, 8), options),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
