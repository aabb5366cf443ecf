"""Random models of real sizes that both sides of `benchmarks.peers` prune, and where their projections lie.

Imports neither `nas` nor the peer, so that each side runs in a Python that has only its own library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Where projections lie, as endings of module names.

    Attributes:
        queries: query projections; the fused projection where queries, keys and values are one.
        keys: key and value projections; none where they are fused.
        attention_output: projections whose input is the concatenated heads.
        ffn_output: projections whose input is the intermediate neurons.
        ffn_pairs: projections that hold gate and up side by side.
        output: name of the last layer, whose classes or words stay.
    """

    queries: tuple[str, ...] = ("self_attn.q_proj",)
    keys: tuple[str, ...] = ("self_attn.k_proj", "self_attn.v_proj")
    attention_output: tuple[str, ...] = ("self_attn.o_proj",)
    ffn_output: tuple[str, ...] = ("mlp.down_proj",)
    ffn_pairs: tuple[str, ...] = ()
    output: str = "lm_head"


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One architecture, at one ratio of query to key-value heads.

    Attributes:
        head: the part of the class name after the family's prefix.
        attention: transformers' implementation, `eager` where it has no other.
        sizes: entries of the config beyond the common ones; the names `hidden`, `head`, `blocks`, `heads` and
            `intermediate` stand for the size of that name.
        heads: query heads.
        key_value_heads: None where the config has no such entry.
        common: entry names of hidden size, blocks, heads and intermediate size; an empty one is left out.
    """

    name: str
    prefix: str
    layout: Layout
    head: str = "ForCausalLM"
    attention: str = "sdpa"
    config: str = ""
    sizes: Mapping[str, Any] = field(default_factory=dict)
    heads: int = 12
    key_value_heads: int | None = None
    common: tuple[str, str, str, str] = (
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
    )

    @property
    def is_gated(self) -> bool:
        """Whether its FFN has a gate, so that two thirds of the usual neurons make the same size."""
        return self.layout.ffn_output == ("mlp.down_proj",)

    @property
    def task(self) -> str:
        """The name of the head's task in our library."""
        return {
            "ForSequenceClassification": "sequence-classification",
            "ForImageClassification": "image-classification",
            "ForConditionalGeneration": "seq2seq-lm",
        }.get(self.head, "causal-lm")


_BERT: Final = Layout(
    queries=("attention.self.query",),
    keys=("attention.self.key", "attention.self.value"),
    attention_output=("attention.output.dense",),
    ffn_output=("output.dense",),
    output="classifier",
)
_LLAMA: Final = Layout()
_IMAGES: Final = Layout(
    queries=("attention.q_proj",),
    keys=("attention.k_proj", "attention.v_proj"),
    attention_output=("attention.o_proj",),
    ffn_output=("mlp.fc2",),
    output="classifier",
)
_T5: Final = Layout(
    queries=("Attention.q",),
    keys=("Attention.k", "Attention.v"),
    attention_output=("Attention.o",),
    ffn_output=("DenseReluDense.wo",),
)
_WHISPER: Final = Layout(
    queries=("attn.q_proj",),
    keys=("attn.k_proj", "attn.v_proj"),
    attention_output=("attn.out_proj",),
    ffn_output=("fc2",),
    output="proj_out",
)
_TOKENS: Final = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_CLASSIFIER: Final = "ForSequenceClassification"


def _gqa(heads: int, key_value_heads: int, **options: Any) -> Case:
    ratio = "multi-query" if key_value_heads == 1 else f"{heads // key_value_heads}:1"
    return Case(
        name=f"llama {ratio}",
        prefix="Llama",
        layout=_LLAMA,
        heads=heads,
        key_value_heads=key_value_heads,
        **options,
    )


def _like_llama(name: str, prefix: str, **options: Any) -> Case:
    return Case(name=name, prefix=prefix, layout=_LLAMA, heads=16, key_value_heads=4, **options)


CASES: Final = (
    Case(name="bert", prefix="Bert", head=_CLASSIFIER, layout=_BERT),
    Case(
        name="roberta",
        prefix="Roberta",
        head=_CLASSIFIER,
        layout=Layout(
            queries=_BERT.queries,
            keys=_BERT.keys,
            attention_output=_BERT.attention_output,
            ffn_output=_BERT.ffn_output,
            output="classifier.out_proj",
        ),
        sizes={**_TOKENS, "max_position_embeddings": 514},
    ),
    Case(
        name="electra",
        prefix="Electra",
        head=_CLASSIFIER,
        layout=Layout(
            queries=_BERT.queries,
            keys=_BERT.keys,
            attention_output=_BERT.attention_output,
            ffn_output=_BERT.ffn_output,
            output="classifier.out_proj",
        ),
        sizes={"embedding_size": "hidden"},
    ),
    Case(
        name="distilbert",
        prefix="DistilBert",
        head=_CLASSIFIER,
        common=("dim", "n_layers", "n_heads", "hidden_dim"),
        layout=Layout(
            queries=("attention.q_lin",),
            keys=("attention.k_lin", "attention.v_lin"),
            attention_output=("attention.out_lin",),
            ffn_output=("ffn.lin2",),
            output="classifier",
        ),
    ),
    Case(
        name="modernbert",
        prefix="ModernBert",
        head=_CLASSIFIER,
        sizes={**_TOKENS, "cls_token_id": 1, "sep_token_id": 2},
        layout=Layout(
            queries=("attn.Wqkv",),
            keys=(),
            attention_output=("attn.Wo",),
            ffn_output=("mlp.Wo",),
            ffn_pairs=("mlp.Wi",),
            output="classifier",
        ),
    ),
    Case(
        name="gpt2",
        prefix="GPT2",
        head="LMHeadModel",
        common=("n_embd", "n_layer", "n_head", "n_inner"),
        sizes=_TOKENS,
        layout=Layout(
            queries=("attn.c_attn",),
            keys=(),
            attention_output=("attn.c_proj",),
            ffn_output=("mlp.c_proj",),
        ),
    ),
    Case(
        name="gpt_neox",
        prefix="GPTNeoX",
        sizes=_TOKENS,
        layout=Layout(
            queries=("attention.query_key_value",),
            keys=(),
            attention_output=("attention.dense",),
            ffn_output=("mlp.dense_4h_to_h",),
        ),
    ),
    Case(
        name="opt",
        prefix="OPT",
        common=("hidden_size", "num_hidden_layers", "num_attention_heads", "ffn_dim"),
        sizes={**_TOKENS, "word_embed_proj_dim": "hidden"},
        layout=Layout(attention_output=("self_attn.out_proj",), ffn_output=("fc2",)),
    ),
    _gqa(12, 12),
    _gqa(12, 6),
    _gqa(12, 4),
    _gqa(16, 4),
    _gqa(12, 2),
    _gqa(14, 2),
    _gqa(16, 2),
    _gqa(12, 1),
    _like_llama("mistral", "Mistral"),
    _like_llama("qwen2", "Qwen2", sizes=_TOKENS),
    _like_llama("qwen3", "Qwen3", sizes={**_TOKENS, "head_dim": "head"}),
    _like_llama("gemma", "Gemma", sizes={"head_dim": "head"}),
    _like_llama("gemma2", "Gemma2", sizes={"head_dim": "head"}, attention="eager"),
    _like_llama("gemma3_text", "Gemma3", config="Gemma3TextConfig", sizes={"head_dim": "head"}),
    Case(
        name="phi",
        prefix="Phi",
        sizes=_TOKENS,
        layout=Layout(attention_output=("self_attn.dense",), ffn_output=("mlp.fc2",)),
    ),
    Case(
        name="phi3",
        prefix="Phi3",
        key_value_heads=4,
        sizes=_TOKENS,
        layout=Layout(queries=("self_attn.qkv_proj",), keys=(), ffn_pairs=("mlp.gate_up_proj",)),
    ),
    Case(name="vit", prefix="ViT", head="ForImageClassification", layout=_IMAGES),
    Case(
        name="dinov2",
        prefix="Dinov2",
        head="ForImageClassification",
        layout=_IMAGES,
        common=("hidden_size", "num_hidden_layers", "num_attention_heads", ""),
    ),
    Case(
        name="t5",
        prefix="T5",
        head="ForConditionalGeneration",
        layout=_T5,
        common=("d_model", "num_layers", "num_heads", "d_ff"),
        sizes={"d_kv": "head", "decoder_start_token_id": 0},
    ),
    Case(
        name="whisper",
        prefix="Whisper",
        head="ForConditionalGeneration",
        layout=_WHISPER,
        common=("d_model", "encoder_layers", "encoder_attention_heads", "encoder_ffn_dim"),
        sizes={
            **_TOKENS,
            "decoder_layers": "blocks",
            "decoder_attention_heads": "heads",
            "decoder_ffn_dim": "intermediate",
            "decoder_start_token_id": 1,
            "num_mel_bins": 80,
            "max_source_positions": 100,
        },
    ),
)


def case_of(name: str) -> Case:
    """The case of a name.

    Raises:
        KeyError: there is none.
    """
    return {case.name: case for case in CASES}[name]
