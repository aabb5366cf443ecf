"""The supernet that users hold."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from nas.elastic import cut, permute
from nas.errors import ConfigError, StorageError
from nas.families import Family, family_of
from nas.importance import CalibrationBatch, Ranking, methods_by_axis, rank_units
from nas.importance.base import Subject
from nas.supernet.activation import ElasticModel
from nas.supernet.calibration import Remembered, load_calibration, remembered, save_calibration
from nas.supernet.checkpoint import check_files, new_folder, read_facts, write_manifest
from nas.supernet.extraction import extract
from nas.supernet.loading import agree_on_padding, check_task, load_pretrained, quiet_transformers
from nas.supernet.mapping import FileHasher, WeightFile
from nas.supernet.orders import UnitOrders
from nas.supernet.replacement import checked_replacements, is_kept
from nas.supernet.rotation import PCA_ROTATION, check_rotation, rotate, split_rotation, with_rotation
from nas.tasks import task_of
from search_spaces import (
    Choices,
    Costs,
    ModelShape,
    SearchSpace,
    SpaceLimits,
    SubnetConfig,
    TensorLayout,
    Workload,
    build_space,
    cost,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Supernet:
    """A pretrained model whose heads, FFN width, layers and embedding dimension are elastic.

    Units are kept best first once `rank` was called, so that a sub-network is a set of prefixes, that is
    of views: making it active copies nothing.

    Attributes:
        model: the full model, owned by the supernet; train it in place.
        tokenizer: its tokenizer, or None.
        task: what its head is for.
        layer_order: layers from the most to the least important.
        ranking: importance method of each ranked axis.
        provenance: where the weights came from and what was done to them, for model cards.
        calibration: batches that its sub-networks are compensated with; see `calibrate`.
        unit_orders: where the pretrained model had the units of each layer.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        task: str,
        tokenizer: PreTrainedTokenizerBase | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        check_task(task)
        self.family: Family = family_of(model.config.model_type)
        self.model = model
        model.train(mode=False)
        self.tokenizer = tokenizer
        self.task = task
        self.shape: ModelShape = self.family.describe(model)
        self.layer_order: tuple[int, ...] = tuple(range(self.shape.num_hidden_layers))
        self.ranking: dict[str, str] = {}
        self.provenance: dict[str, Any] = dict(provenance or {})
        self.calibration: tuple[Remembered, ...] = ()
        self.unit_orders = UnitOrders()
        self._elastic = ElasticModel(model, self.shape, self.family)
        self._hash: tuple[object, str] | None = None
        self._file: WeightFile | None = None

    @staticmethod
    def from_pretrained(
        source: str | Path,
        *,
        task: str = "sequence-classification",
        num_labels: int | None = None,
        label_names: Sequence[str] | None = None,
        revision: str | None = None,
        seed: int = 0,
        dtype: str = "float32",
    ) -> Supernet:
        """Build a supernet from a model folder or hub id.

        Args:
            source: folder with config.json and safetensors, or a hub id.
            task: what the head is for: `sequence-classification`, `regression`, `token-classification`,
                `causal-lm`, `masked-lm`, `seq2seq-lm`, `feature-extraction` or `image-classification`; see
                docs/tasks.md.
            num_labels: classes of a fresh head.
            label_names: their names, stored in the model's config.
            revision: commit of the hub's repository.
            seed: of a fresh head.
            dtype: precision of the weights, e.g. `bfloat16`; `auto` for the stored one, which is not copied.

        Raises:
            ConfigError: nothing can be loaded there.
            UnsupportedModelError: no family describes the architecture.
        """
        model, tokenizer = load_pretrained(
            source,
            task=task,
            num_labels=num_labels,
            label_names=label_names,
            revision=revision,
            seed=seed,
            dtype=dtype,
        )
        provenance = {"source": str(source), "revision": revision}
        return Supernet(model, task=task, tokenizer=tokenizer, provenance=provenance)

    @staticmethod
    def from_model(
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase | None = None,
        *,
        task: str = "sequence-classification",
    ) -> Supernet:
        """Build a supernet from a copy of a loaded model, which is left as it is."""
        family = family_of(model.config.model_type)
        shape = family.describe(model)
        own = extract(model, shape, family, SubnetConfig.full(shape))
        agree_on_padding(own, tokenizer, task_of(task))
        source = getattr(model.config, "_name_or_path", "") or type(model).__name__
        return Supernet(own, task=task, tokenizer=tokenizer, provenance={"source": source})

    def active(
        self, config: SubnetConfig, weights: Mapping[str, torch.Tensor] | None = None
    ) -> AbstractContextManager[nn.Module]:
        """The model as a sub-network inside a `with` block; gradients reach exactly the kept slices.

        Args:
            config: the units that it keeps.
            weights: of its own in place of slices, by the full model's names: compensated or recovered ones.

        Raises:
            SpaceError: units that the model does not have.
            ConfigError: a weight that the sub-network does not have, or has in another size.
        """
        config = config.canonical(self.shape)
        own = checked_replacements(weights, config, self.shape) if weights else None
        return self._elastic.active(config, own)

    def extract(
        self, config: SubnetConfig, weights: Mapping[str, torch.Tensor] | None = None
    ) -> PreTrainedModel:
        """A sub-network as an ordinary model with weights of its own; arguments as of `active`.

        Raises:
            SpaceError: units that the model does not have.
            ConfigError: a weight that the sub-network does not have, or has in another size.
        """
        config = config.canonical(self.shape)
        own = checked_replacements(weights, config, self.shape) if weights else None
        with self._whole():
            return extract(self.model, self.shape, self.family, config, weights=own)

    def slices(self, config: SubnetConfig) -> dict[str, torch.Tensor]:
        """The weights of a sub-network by the full model's names, tied ones once; views where possible.

        Copied, they are what `active` and `extract` take as `weights`.

        Raises:
            SpaceError: units that the model does not have.
        """
        config = config.canonical(self.shape)
        with self._whole():
            parameters = dict(self.model.named_parameters(remove_duplicate=False))
        return {
            layout.name: cut(parameters[layout.name].detach(), layout, config, self.shape)
            for layout in self.shape.tensors
            if layout.tied_to is None and is_kept(layout, config)
        }

    def cut_also(self, layouts: Sequence[TensorLayout]) -> AbstractContextManager[None]:
        """Weights that were added to `model`, e.g. adapters, are cut along with it until the block ends."""
        return self._elastic.cut_also(layouts)

    def rank(
        self,
        importance: str | Mapping[str, str] = "default",
        batches: Sequence[CalibrationBatch] = (),
        *,
        seed: int = 0,
    ) -> Ranking:
        """Sort units by importance, best first; the full model computes the same function as before.

        Args:
            importance: `default`, a method for every axis that it scores, or a method by axis
                (`hidden`, `heads`, `ffn`, `layers`). `pca_rotation` of `hidden` turns the residual stream
                to its principal directions; it may untie a head, so look at `shape` afterwards.
            batches: calibration data, a few hundred examples.
            seed: for `random`.

        Raises:
            ConfigError: unknown method or axis, or calibration data missing.
        """
        if split_rotation(importance)[1] and self._elastic.is_changed:
            raise ConfigError(f"{PCA_ROTATION} may untie weights; leave the `with` block of `active` first")
        with self._whole():
            ranking = self._rank(importance, batches, seed)
        self.layer_order = ranking.layer_order
        self.ranking |= {str(axis): method for axis, method in ranking.methods.items()}
        self.unit_orders = self.unit_orders.then(ranking.orders, self.shape)
        if batches:
            self.calibrate(batches)
        return ranking

    def calibrate(self, batches: Sequence[CalibrationBatch]) -> None:
        """Remember calibration data, in place of earlier ones; `rank` does so with its own.

        They are saved with the supernet, at most 64 MB of them, so that compensation during a search and at
        export needs nothing else.
        """
        self.calibration = remembered(batches)

    def check_importance(self, importance: str | Mapping[str, str]) -> None:
        """Raise what `rank` would for these methods, whatever the calibration data.

        Raises:
            ConfigError: unknown method or axis, or a method that does not score its axis.
            UnsupportedModelError: a rotation of an architecture that does not allow it.
        """
        methods, has_rotation = split_rotation(importance)
        methods_by_axis(methods)
        if has_rotation:
            check_rotation(self._subject)

    @property
    def _subject(self) -> Subject:
        return Subject(
            model=self.model,
            shape=self.shape,
            family=self.family,
            task=task_of(self.task),
            active=self.active,
        )

    def _rank(
        self, importance: str | Mapping[str, str], batches: Sequence[CalibrationBatch], seed: int
    ) -> Ranking:
        subject = self._subject
        importance, has_rotation = split_rotation(importance)
        if has_rotation:
            check_rotation(subject, batches)
        ranking = rank_units(subject, importance, batches, layer_order=self.layer_order, seed=seed)
        if has_rotation:
            self.shape = rotate(subject, batches)
            self._elastic = ElasticModel(self.model, self.shape, self.family)
            ranking = with_rotation(ranking, batches)
        parameters = dict(self.model.named_parameters(remove_duplicate=False))
        with torch.no_grad():
            for layout in self.shape.tensors:
                if layout.tied_to is None:
                    parameter = parameters[layout.name]
                    sorted_weight = permute(parameter, layout, ranking.orders, self.shape)
                    if sorted_weight is not parameter:
                        parameter.copy_(sorted_weight)
        return ranking

    def cost(self, config: SubnetConfig, workload: Workload | None = None) -> Costs:
        """Exact costs of a sub-network; batch 1 and 128 tokens unless told."""
        return cost(self.shape, config.canonical(self.shape), workload or Workload())

    def space(
        self,
        kind: str = "uniform",
        *,
        choices: Mapping[str, Choices] | None = None,
        portability: Literal["any", "plain"] = "any",
        align: int | Mapping[str, int] | None = None,
        frozen_layers: Sequence[int] = (),
        rules: Sequence[str] = (),
        ffn_group: int | None = None,
    ) -> SearchSpace:
        """A search space over this supernet that drops layers in its order; see docs/search-spaces.md.

        Raises:
            SpaceError: unknown kind, or choices, limits or rules that are not legal for the model.
        """
        limits = SpaceLimits(align=align, frozen_layers=tuple(sorted(frozen_layers)), rules=tuple(rules))
        return build_space(
            kind,
            self.shape,
            choices=choices,
            layer_order=self.layer_order,
            portability=portability,
            limits=limits,
            ffn_group=ffn_group,
        )

    @property
    def full(self) -> SubnetConfig:
        """The configuration that keeps everything."""
        return SubnetConfig.full(self.shape)

    @property
    def sha256(self) -> str:
        """Hash of all weights and the order of layers; computed anew only when a weight has changed."""
        state, parameters = self._state()
        if self._hash is None or self._hash[0] != state:
            digest = hashlib.sha256(_hash_prefix(self.layer_order))
            for name, parameter in parameters.items():
                digest.update(name.encode())
                digest.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy().data)
            self._hash = (state, digest.hexdigest())
        return self._hash[1]

    @property
    def file(self) -> WeightFile | None:
        """The file that this supernet was loaded from, while it holds just these weights; else None."""
        file = self._file
        return file if file is not None and file.is_current and file.weights_sha256 == self.sha256 else None

    def save(self, folder: str | Path) -> Path:
        """Write a model folder with the supernet's own facts; an older one is replaced whole.

        Raises:
            ConfigError: something that is no supernet is there.
            StorageError: no space, or the folder cannot be written.
        """
        path = Path(folder)
        size = sum(p.numel() * p.element_size() for p in self.model.parameters())
        with new_folder(path, needed_bytes=size) as temporary, quiet_transformers(), self._whole():
            self.model.save_pretrained(temporary)
            if self.tokenizer is not None:
                self.tokenizer.save_pretrained(temporary)
            save_calibration(self.calibration, temporary)
            self.unit_orders.save(temporary)
            facts = {
                "format": 1,
                "task": self.task,
                "dtype": str(self.model.dtype).removeprefix("torch."),
                "layer_order": list(self.layer_order),
                "ranking": self.ranking,
                "provenance": self.provenance,
                "weights_sha256": self.sha256,
            }
            write_manifest(temporary, facts)
        return path

    @staticmethod
    def load(folder: str | Path) -> Supernet:
        """Read a supernet that `save` wrote; every file is checked against its hash first.

        Weights are mapped from their file, which is read once for its hash and otherwise when used.

        Raises:
            ConfigError: no supernet there.
            StorageError: a file is damaged.
        """
        path = Path(folder)
        facts = read_facts(path)
        if facts.get("format") != 1:
            raise ConfigError(f"{path} has supernet format {facts.get('format')!r}; this version reads 1")
        hasher = FileHasher(_hash_prefix(facts["layer_order"]))
        check_files(path, facts, hash_file=hasher)
        model, tokenizer = load_pretrained(path, task=facts["task"], dtype=facts["dtype"])
        supernet = Supernet(model, task=facts["task"], tokenizer=tokenizer, provenance=facts["provenance"])
        supernet.layer_order = tuple(facts["layer_order"])
        supernet.ranking = dict(facts["ranking"])
        supernet.calibration = load_calibration(path)
        supernet.unit_orders = UnitOrders.load(path)
        supernet._attach(hasher.weights)
        if supernet.sha256 != facts["weights_sha256"]:
            raise StorageError(f"{path} is damaged: the weights read are not those that were saved")
        return supernet

    def _attach(self, file: WeightFile | None) -> None:
        """Take over what is known of the file that the weights were just read from."""
        state, parameters = self._state()
        if file is not None and file.fits(parameters):
            self._file = file
            self._hash = (state, file.weights_sha256)

    def _state(self) -> tuple[tuple[object, ...], dict[str, nn.Parameter]]:
        """What the hash depends on, and the parameters in the order of their names."""
        with self._whole():
            parameters = dict(sorted(self.model.named_parameters()))
        return (self.layer_order, _state_of(list(parameters.values()))), parameters

    def _whole(self) -> AbstractContextManager[nn.Module]:
        """The full model, also where a caller is inside `active`."""
        return self._elastic.active(self.full)


def _hash_prefix(layer_order: Sequence[int]) -> bytes:
    return repr(tuple(layer_order)).encode()


def _state_of(parameters: Sequence[nn.Parameter]) -> tuple[object, ...]:
    """What changes with the weights, cheaply: version counters, and samples of the values.

    Samples are needed since fused optimisers write without counting. They are the first values of each
    weight, which every sub-network of prefixes trains, and no others: a sample of a mapped weight loads the
    pages around it.
    """
    counters = tuple((parameter.data_ptr(), parameter._version) for parameter in parameters)
    samples = [parameter.detach().reshape(-1)[:16].double() for parameter in parameters]
    return counters, torch.cat(samples).cpu().numpy().tobytes()
