"""What holds of encoder-decoders beside the rules of every family."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from transformers import AutoConfig, AutoModelForSeq2SeqLM, DynamicCache, EncoderDecoderCache

from nas.errors import UnsupportedModelError
from nas.families import family_of
from nas.families.stand_ins import PassedBiasedMixer, ZeroMixer
from nas.supernet import Supernet
from search_spaces import SpaceError, SubnetConfig

T5 = {
    "d_model": 26,
    "d_kv": 8,
    "d_ff": 20,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 3,
    "vocab_size": 40,
    "decoder_start_token_id": 0,
}
BART = {
    "d_model": 24,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 20,
    "decoder_ffn_dim": 20,
    "vocab_size": 40,
}
WHISPER = BART | {"num_mel_bins": 4, "max_source_positions": 8, "pad_token_id": 0}


def make_model(class_name: str, model_type: str, sizes: dict[str, Any]) -> Any:
    return getattr(transformers, class_name)(AutoConfig.for_model(model_type, **sizes)).eval()


@pytest.fixture
def t5() -> Supernet:
    config = AutoConfig.for_model("t5", **T5)
    return Supernet.from_model(AutoModelForSeq2SeqLM.from_config(config), task="seq2seq-lm")


@pytest.mark.parametrize(
    ("class_name", "model_type", "sizes"),
    [
        ("T5EncoderModel", "t5", T5),
        ("T5ForTokenClassification", "t5", T5),
        ("BartForCausalLM", "bart", BART),
        ("WhisperForCausalLM", "whisper", WHISPER),
    ],
)
def test_a_class_with_one_stack_is_refused(class_name: str, model_type: str, sizes: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedModelError, match="use a class with both stacks"):
        family_of(model_type).describe(make_model(class_name, model_type, sizes))


def test_a_class_that_lacks_a_stack_is_refused_with_the_stacks_it_needs() -> None:
    model = make_model("WhisperForAudioClassification", "whisper", WHISPER)
    with pytest.raises(UnsupportedModelError, match=r"use a class with encoder\.layers and decoder\.layers"):
        family_of("whisper").describe(model)


def test_blocks_of_an_encoder_and_of_its_decoder_are_counted_apart(t5: Supernet) -> None:
    assert t5.shape.stacks == (range(2), range(2, 5))
    assert t5.shape.by_name["decoder.block.0.layer.2.DenseReluDense.wo.weight"].layer == 2


@pytest.mark.parametrize("first", [0, 2])
def test_the_first_block_of_a_t5_stack_cannot_be_dropped(first: int, t5: Supernet) -> None:
    layers = [None if index == first else units for index, units in enumerate(t5.full.layers)]
    with pytest.raises(SpaceError, match=f"layer {first} must be kept with its attention"):
        t5.extract(SubnetConfig(hidden=26, layers=tuple(layers)))


def test_configs_of_the_stacks_are_as_before_once_a_sub_network_was_active(t5: Supernet) -> None:
    configs = [t5.model.config, t5.model.encoder.config, t5.model.decoder.config]
    before = [config.to_dict() for config in configs]
    units = t5.full.layers
    with t5.active(SubnetConfig(hidden=26, layers=(units[0], None, units[2], units[3], None))):
        depths = [(config.num_layers, config.num_decoder_layers) for config in configs]
    assert depths == [(1, 2), (1, 2), (2, 2)]
    assert [config.to_dict() for config in configs] == before


def test_a_plain_t5_with_a_deeper_decoder_generates_with_a_cache(t5: Supernet) -> None:
    units = t5.full.layers
    small = t5.extract(SubnetConfig(hidden=26, layers=(units[0], None, *units[2:])))
    tokens = small.generate(input_ids=torch.tensor([[5, 6, 7]]), max_new_tokens=3, min_new_tokens=3)
    assert tokens.shape == (1, 4)


@pytest.mark.parametrize("stand_in", [ZeroMixer, PassedBiasedMixer])
def test_a_removed_self_attention_keeps_the_length_of_a_cache(stand_in: type[torch.nn.Module]) -> None:
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    for _ in range(2):
        stand_in()(torch.ones(2, 3, 8), past_key_values=cache)
    assert cache.get_seq_length() == 6


@pytest.mark.parametrize("stand_in", [ZeroMixer, PassedBiasedMixer])
def test_a_removed_attention_to_the_source_leaves_a_cache_alone(stand_in: type[torch.nn.Module]) -> None:
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    stand_in()(torch.ones(2, 3, 8), key_value_states=torch.ones(2, 5, 8), past_key_values=cache)
    assert (cache.get_seq_length(), cache.cross_attention_cache.get_seq_length()) == (0, 0)


def test_a_removed_attention_of_t5_hands_on_the_position_biases() -> None:
    hidden, biases = torch.ones(2, 3, 8), torch.ones(1, 4, 3, 3)
    found, handed_on, weights = PassedBiasedMixer()(hidden, position_bias=biases)
    assert found is hidden
    assert handed_on is biases
    assert weights is None
