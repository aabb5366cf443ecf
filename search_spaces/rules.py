"""Rules that every sub-network of a space obeys, and the quantities that they speak of.

A rule is about the sub-network and not about flat parameters, so that it means the same in every space.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from functools import cached_property

from search_spaces.errors import SpaceError
from search_spaces.grammar import Rule, parse_rule
from search_spaces.heads import GROUPS, HEADS, KEY_VALUE_HEADS, head_values
from search_spaces.shape import ModelShape
from search_spaces.subnet import SubnetConfig
from search_spaces.units import count


class Rules:
    """Rules over the sub-networks of one model.

    They know `hidden_size`, `num_hidden_layers` (kept blocks; of an encoder-decoder model also
    `num_encoder_layers` and `num_decoder_layers`) and sizes of a block: `intermediate_size`,
    `num_attention_heads` and, in grouped-query attention, `num_key_value_heads` and
    `num_key_value_groups`. `layers.3.intermediate_size` is that of block 3, 0 where it is removed; without
    an index the rule must hold in every kept block.
    """

    def __init__(self, shape: ModelShape, texts: Sequence[str]) -> None:
        self._shape = shape
        self._rules = tuple(parse_rule(text) for text in texts)
        known = self._known() if self._rules else []
        for rule in self._rules:
            for name in rule.names:
                self._check_name(name, rule, known)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def violation(self, config: SubnetConfig) -> float:
        """By how much a canonical sub-network breaks the rules, all together; 0 where it obeys them."""
        return sum(violation for _, violation in self._violations(config))

    def broken(self, config: SubnetConfig) -> tuple[str, ...]:
        """The rules that a canonical sub-network breaks."""
        return tuple(rule.text for rule, violation in self._violations(config) if violation > 0)

    def _violations(self, config: SubnetConfig) -> Iterator[tuple[Rule, float]]:
        values = self._values(config) if self._rules else {}
        for rule in self._rules:
            if self._block_names.isdisjoint(rule.names):
                yield rule, rule.violation(values)
            else:
                blocks = (self._block(config, index) for index in config.kept_layers)
                yield rule, sum(rule.violation(values | block) for block in blocks)

    @cached_property
    def _block_names(self) -> frozenset[str]:
        """Names that mean one number a block."""
        full = SubnetConfig.full(self._shape)
        return frozenset(name for index in full.kept_layers for name in self._block(full, index))

    @cached_property
    def _indexed(self) -> dict[int, tuple[str, ...]]:
        """Names of the rules that speak of one block, by the block."""
        parts = [name.split(".") for rule in self._rules for name in rule.names if "." in name]
        return {int(index): tuple(p[2] for p in parts if p[1] == index) for _, index, _ in parts}

    def _values(self, config: SubnetConfig) -> dict[str, int]:
        """Values of the names that mean one number, those of single blocks as far as the rules need them."""
        stacks = zip(self._shape.depth_names, self._shape.stacks, strict=True)
        values = {name: sum(index in stack for index in config.kept_layers) for name, stack in stacks}
        values["num_hidden_layers"] = len(config.kept_layers)
        values["hidden_size"] = count(config.hidden)
        for index, names in self._indexed.items():
            block = self._block(config, index)
            values |= {f"layers.{index}.{name}": block[name] for name in names}
        return values

    def _block(self, config: SubnetConfig, index: int) -> dict[str, int]:
        units, full = config.layers[index], self._shape.layers[index]
        heads = 0 if units is None else units.num_attention_heads
        sizes = {HEADS: heads, "intermediate_size": 0 if units is None else count(units.ffn)}
        if full.queries_per_head == 1:
            return sizes
        values = head_values(units, full)
        return sizes | {KEY_VALUE_HEADS: values[KEY_VALUE_HEADS], GROUPS: values[GROUPS] if heads else 0}

    def _known(self) -> list[str]:
        """All names, those of single blocks last."""
        full = SubnetConfig.full(self._shape)
        indexed = [f"layers.{i}.{name}" for i in full.kept_layers for name in self._block(full, i)]
        depths = dict.fromkeys(["num_hidden_layers", *self._shape.depth_names])
        return ["hidden_size", *depths, *sorted(self._block_names), *indexed]

    def _check_name(self, name: str, rule: Rule, known: Sequence[str]) -> None:
        if name in known:
            return
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        plain = [other for other in known if "." not in other]
        raise SpaceError(
            f"rule {rule.text!r}: unknown dimension {name!r} of this {self._shape.model_type} model; allowed "
            f"are {', '.join(plain)}, and layers.INDEX.NAME with a block's number{hint}"
        )
