from __future__ import annotations

import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
    T5Config,
    T5ForConditionalGeneration,
    ViTConfig,
    ViTForImageClassification,
    WhisperConfig,
    WhisperForConditionalGeneration,
)

from nas.export.samples import Size, prompt_of, sample_inputs

SIZES = {
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
}
WHISPER = WhisperConfig(
    vocab_size=30,
    d_model=8,
    encoder_layers=1,
    decoder_layers=1,
    encoder_attention_heads=2,
    decoder_attention_heads=2,
    encoder_ffn_dim=8,
    decoder_ffn_dim=8,
    num_mel_bins=4,
    max_source_positions=6,
    max_target_positions=10,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
    decoder_start_token_id=1,
)
T5 = T5Config(vocab_size=30, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, decoder_start_token_id=0)
SIZE = Size(batch=4, length=16)


def bert() -> BertForSequenceClassification:
    return BertForSequenceClassification(BertConfig(vocab_size=30, **SIZES))


def test_texts_have_padding_and_two_segments_and_never_change():
    inputs, again = (sample_inputs(bert(), SIZE) for _ in range(2))
    tokens, mask = inputs["input_ids"], inputs["attention_mask"]
    assert tokens.equal(again["input_ids"])
    assert mask.sum(dim=1).tolist() == [16, 12, 8, 4]
    assert tokens[mask == 0].eq(0).all()
    assert tokens[mask == 1].ne(0).all()
    assert set(inputs["token_type_ids"].unique().tolist()) == {0, 1}


def test_texts_for_generation_have_no_padding():
    inputs = sample_inputs(bert(), SIZE, is_padded=False)
    assert inputs["attention_mask"].all()


def test_texts_fit_few_positions_that_count_from_the_padding_token():
    config = RobertaConfig(vocab_size=30, max_position_embeddings=6, **SIZES)
    model = RobertaForSequenceClassification(config)
    inputs = sample_inputs(model, SIZE)
    assert inputs["input_ids"].shape == (4, 4)
    assert model(**inputs).logits.shape == (4, 2)


@pytest.mark.parametrize(
    "model",
    [
        ViTForImageClassification(ViTConfig(image_size=16, patch_size=8, **SIZES)),
        T5ForConditionalGeneration(T5),
        WhisperForConditionalGeneration(WHISPER),
    ],
    ids=["images", "encoder and decoder", "speech"],
)
def test_samples_fit_other_models_than_those_of_text(model):
    with torch.inference_mode():
        logits = model.eval()(**sample_inputs(model, Size(batch=3, length=6))).logits
    assert logits.shape[0] == 3


def test_a_decoder_starts_with_its_own_token_which_is_no_part_of_a_prompt():
    inputs = sample_inputs(WhisperForConditionalGeneration(WHISPER), SIZE)
    assert inputs["decoder_input_ids"][:, 0].eq(1).all()
    assert set(prompt_of(inputs)) == {"input_features"}
