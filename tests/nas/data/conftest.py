"""Small tokenizers made on the spot."""

from __future__ import annotations

import pytest
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

WORDS = ["deep", "sea", "##s", "blue", "ship", "a", "sail", "##ing", "."]


@pytest.fixture(scope="session")
def bert_tokenizer():
    """Ids: [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4, deep 5, sea 6, ##s 7, blue 8, ship 9, a 10, …"""
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    return transformers.BertTokenizerFast(vocab={word: index for index, word in enumerate(vocab)})


@pytest.fixture(scope="session")
def gpt_tokenizer():
    """Ids: <unk> 0, a 1, b 2, c 3, <end> 4; no special tokens around a text."""
    backend = Tokenizer(models.WordLevel({"<unk>": 0, "a": 1, "b": 2, "c": 3, "<end>": 4}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.decoder = decoders.WordPiece()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="<unk>",
        eos_token="<end>",
        model_input_names=["input_ids", "attention_mask"],
    )


@pytest.fixture(scope="session")
def t5_tokenizer():
    """Ids: <pad> 0, </s> 1, <unk> 2, a 3, b 4, c 5, d 6; a text ends in </s>."""
    names = ["<pad>", "</s>", "<unk>", "a", "b", "c", "d"]
    backend = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="<unk>",
        eos_token="</s>",
        pad_token="<pad>",
        model_input_names=["input_ids", "attention_mask"],
    )
