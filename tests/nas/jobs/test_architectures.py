"""Searches of decoders, encoder-decoders and image models as a user runs them: folders, files, SQLite."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, PreTrainedTokenizerFast

import nas
from nas.cli.snapshot import snapshot_of
from nas.cli.trial_tables import list_columns
from nas.config import SearchConfig, parse_config
from nas.data import encode_features
from nas.evaluation import Outcome
from nas.jobs import profile_search, run_search
from nas.study import Study
from nas.tasks import head_class, task_of
from storage import Ledger, TrialState

WORDS = ("the", "a", "of", "to", "and", "in", "is", "it")
TOKENS = {"bos_token_id": 2, "eos_token_id": 2}
LLAMA = {
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 3,
    "intermediate_size": 32,
    "max_position_embeddings": 32,
    **TOKENS,
}
GPT2 = {"n_embd": 24, "n_layer": 2, "n_head": 3, "n_positions": 32, **TOKENS}
T5 = {
    "d_model": 16,
    "d_kv": 4,
    "d_ff": 32,
    "num_layers": 3,
    "num_decoder_layers": 2,
    "num_heads": 4,
    "pad_token_id": 0,
    "decoder_start_token_id": 0,
    "eos_token_id": 2,
}
VIT = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 8,
    "patch_size": 4,
    "num_labels": 2,
}
WHISPER = {
    "num_mel_bins": 4,
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "max_source_positions": 6,
    "max_target_positions": 12,
    "pad_token_id": 0,
    "decoder_start_token_id": 2,
    "begin_suppress_tokens": None,
    "suppress_tokens": None,
    **TOKENS,
}
SIZES = {"llama": LLAMA, "gpt2": GPT2, "t5": T5, "vit": VIT, "whisper": WHISPER}


def _tokenizer(*, pads: bool, closes: bool = False) -> PreTrainedTokenizerFast:
    names = ("<pad>", "<unk>", "</s>", *WORDS)
    vocabulary = {name: index for index, name in enumerate(names)}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    if closes:
        from tokenizers.processors import TemplateProcessing

        words.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    padding = {"pad_token": "<pad>"} if pads else {}
    return PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="<unk>", eos_token="</s>", model_max_length=10**30, **padding
    )


def _model(folder: Path, kind: str, task: str, *, pads: bool = True, closes: bool = False) -> str:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"vocab_size": 16, "initializer_range": 0.2, **SIZES[kind]}
    config = AutoConfig.for_model(kind, **sizes)
    path = folder / "model"
    head_class(task_of(task), config).from_config(config).save_pretrained(path)
    if kind == "vit":
        settings = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
        (path / "preprocessor_config.json").write_text(json.dumps(settings))
    else:
        _tokenizer(pads=pads, closes=closes).save_pretrained(path)
    return str(path)


def _text(folder: Path, task: str) -> str:
    generator = np.random.default_rng(0)

    def words(number: int) -> str:
        return " ".join(generator.choice(WORDS, number))

    if task == "causal-lm":
        path, lines = folder / "text.txt", [words(300)]
    elif task == "seq2seq-lm":
        path = folder / "pairs.csv"
        lines = ["source,target", *(f"{words(4)},{words(3)}" for _ in range(20))]
    else:
        path = folder / "classes.csv"
        lines = ["text,label", *(f"{words(3 + i % 3)},{'xy'[i % 2]}" for i in range(20))]
    path.write_text("\n".join(lines))
    return str(path)


def _images(folder: Path) -> str:
    generator, labels = np.random.default_rng(0), np.arange(20) % 2
    pixels = generator.integers(0, 128, (20, 8, 8)) + 120 * labels[:, None, None]
    np.savez(folder / "images.npz", images=pixels.astype(np.uint8), labels=labels)
    return str(folder / "images.npz")


def _config(folder: Path, model: str, task: str, **changes: Any) -> SearchConfig:
    data = _images(folder) if task == "image-classification" else _text(folder, task)
    metric = {"causal-lm": "min perplexity", "seq2seq-lm": "min loss"}.get(task, "max accuracy")
    record: dict[str, Any] = {
        "version": 1,
        "name": "tiny",
        "model": {"id": model, "task": task},
        "supernet": {"train": {"strategy": "random", "passes": 4, "batch_size": 8}, "calibration": 8},
        "data": {"train": data, "validation": data, "max_length": 16},
        "target": None,
        "objectives": [metric, "min num_parameters"],
        "search": {"trials": 10},
        "evaluation": {"precision": "float32", "batch_size": 8},
        "workers": {"kind": "serial"},
        "storage": {"url": f"sqlite:///{folder / 'nas.db'}", "artifacts": str(folder / "artifacts")},
    }
    return parse_config(record | changes)


def _done(study: Study) -> list[nas.Trial]:
    return [trial for trial in study.trials if trial.state is TrialState.DONE]


def test_a_model_with_grouped_queries_is_searched_under_a_budget_on_its_cache(tmp_path: Path) -> None:
    model = _model(tmp_path, "llama", "causal-lm")
    training = {"train": {"strategy": "sandwich_kd", "passes": 4, "batch_size": 8}, "calibration": 8}
    budget = "kv_cache_bytes <= 0.5 * baseline"
    config = _config(tmp_path, model, "causal-lm", constraints=[budget], supernet=training)
    with run_search(config) as study:
        best = study.best([budget])
        assert len(_done(study)) == 10
        assert 2 * best.metrics["kv_cache_bytes"] <= study.baseline["kv_cache_bytes"]
        assert _done(study)[0].architecture == "2 layers, 6/3 heads, FFN 32, hidden 48"


@pytest.mark.parametrize("kind", ["uniform", "medium", "layer", "sublayer"])
def test_an_encoder_decoder_is_searched_in_every_space_and_taken_up_again(kind: str, tmp_path: Path) -> None:
    model = _model(tmp_path, "t5", "seq2seq-lm")
    changes: dict[str, Any] = {"space": {"kind": kind}, "supernet": {"calibration": 8}}
    config = _config(tmp_path, model, "seq2seq-lm", **changes, search={"trials": 5})
    with run_search(config) as study:
        before = [trial.key for trial in _done(study)]
    with run_search(_config(tmp_path, model, "seq2seq-lm", **changes, search={"trials": 7})) as study:
        after = _done(study)
    assert [trial.key for trial in after][:5] == before
    assert len(after) == 7
    assert after[0].architecture.startswith("3+2 layers, 4 heads")


def test_an_encoder_and_its_decoder_have_a_depth_each(tmp_path: Path) -> None:
    space = {"kind": "uniform", "num_encoder_layers": [1], "num_decoder_layers": [2]}
    config = _config(tmp_path, _model(tmp_path, "t5", "seq2seq-lm"), "seq2seq-lm", space=space)
    with run_search(config) as study:
        sampled = [trial for trial in _done(study) if trial.parameters]
    assert {trial.sizes.layers for trial in sampled} == {"1+2"}


def test_the_picture_of_an_encoder_decoder_numbers_both_stacks(tmp_path: Path) -> None:
    config = _config(tmp_path, _model(tmp_path, "t5", "seq2seq-lm"), "seq2seq-lm", search={"trials": 1})
    with run_search(config) as study:
        picture = study.trials[0].skyline()
    assert [name for name in ("E1", "E2", "E3", "E4", "D1", "D2", "D3") if f">{name}<" in picture] == [
        "E1",
        "E2",
        "E3",
        "D1",
        "D2",
    ]


@pytest.mark.parametrize(
    ("kind", "task", "sizes"), [("llama", "causal-lm", ("2", "6/3")), ("t5", "seq2seq-lm", ("3+2", "4"))]
)
def test_a_table_tells_both_depths_and_both_kinds_of_heads(
    kind: str, task: str, sizes: tuple[str, str], tmp_path: Path
) -> None:
    config = _config(tmp_path, _model(tmp_path, kind, task), task, search={"trials": 1})
    with run_search(config) as study:
        columns = {column.column.title: column.cell for column in list_columns(snapshot_of(study))}
        assert (columns["layers"](study.trials[0]), columns["heads"](study.trials[0])) == sizes


def test_gpt2_is_searched_on_text(tmp_path: Path) -> None:
    config = _config(tmp_path, _model(tmp_path, "gpt2", "causal-lm", pads=False), "causal-lm")
    with run_search(config) as study:
        assert len(_done(study)) == 10
        assert study.best_trials


@pytest.mark.slow
@pytest.mark.alone
def test_the_latency_of_an_image_model_does_not_ask_for_a_sequence_length(tmp_path: Path) -> None:
    model = _model(tmp_path, "vit", "image-classification")
    changes: dict[str, Any] = {
        "target": {"sequence_length": 4096},
        "objectives": ["max accuracy", "min latency_ms"],
        "search": {"trials": 2, "enqueue": ["full", "smallest"]},
    }
    with run_search(_config(tmp_path, model, "image-classification", **changes)) as study:
        assert study.baseline["latency_ms"] < 100  # 5 tokens, not 4,096
        assert study.best_trials


def test_a_target_s_sequence_length_does_not_change_the_costs_of_an_image_model(tmp_path: Path) -> None:
    model = _model(tmp_path, "vit", "image-classification")
    costs = [
        profile_search(
            _config(tmp_path, model, "image-classification", target={"sequence_length": length})
        ).costs
        for length in (16, 4096)
    ]
    assert costs[0] == costs[1]


def _whisper(folder: Path) -> tuple[nas.Supernet, Any]:
    supernet = nas.Supernet.from_pretrained(_model(folder, "whisper", "seq2seq-lm"), task="seq2seq-lm")
    features = np.random.default_rng(0).normal(size=(12, 4, 12)).astype(np.float32)
    texts = [f"{first} {second}" for first in WORDS[:3] for second in WORDS[:4]]
    data = encode_features(features, texts, supernet.tokenizer, decoder_start_token_id=2, max_target_length=8)
    return supernet, data


@pytest.mark.parametrize("strategy", ["random", "sandwich_kd"])
def test_whisper_is_trained_and_searched_on_features_of_sound(strategy: str, tmp_path: Path) -> None:
    supernet, data = _whisper(tmp_path)
    supernet.rank("default", data.calibration(8))
    options = nas.TrainOptions(batch_size=4)
    budget = nas.Budget(passes=4)
    nas.train_supernet(supernet, data, strategy=strategy, budget=budget, options=options)
    objectives = ["min loss", "min num_parameters"]
    url = f"sqlite:///{tmp_path / 'nas.db'}"
    with nas.create_study("sound", storage=url, supernet=supernet, objectives=objectives) as study:
        evaluator = nas.DatasetEvaluator(data=data, precision="float32", batch_size=4)
        study.optimize(evaluator, 8, workers=nas.SerialPool())
        assert len(_done(study)) == 8
        assert _done(study)[0].architecture == "2+2 layers, 2 heads, FFN 16, hidden 16"


def test_a_study_keeps_the_losses_of_examples_that_have_no_logits(tmp_path: Path) -> None:
    supernet, data = _whisper(tmp_path)
    evaluator = nas.DatasetEvaluator(data=data, precision="float32").prepare(supernet)
    url, objectives = f"sqlite:///{tmp_path / 'nas.db'}", ["min loss", "min num_parameters"]
    with nas.create_study("sound", storage=url, supernet=supernet, objectives=objectives) as study:
        study.optimize(evaluator, 1, workers=nas.SerialPool())
        key, loss = study.trials[0].key, study.baseline["loss"]
    with Ledger.open(url) as ledger:
        record = ledger.quality(supernet.sha256, key, evaluator.sha256, len(data))
    assert record is not None
    assert record.per_example is not None
    assert Outcome.from_bytes(record.per_example).values(["loss"]) == {"loss": loss}


def test_a_target_longer_than_whisper_s_texts_is_refused(tmp_path: Path) -> None:
    supernet, _ = _whisper(tmp_path)
    url = f"sqlite:///{tmp_path / 'nas.db'}"
    objectives, target = ["min loss", "min latency_ms"], nas.Target.local(sequence_length=128)
    with pytest.raises(nas.ConfigError, match="has sequence_length 128; the model takes at most 12 tokens"):
        nas.create_study("sound", storage=url, supernet=supernet, objectives=objectives, target=target)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_decoder_without_a_padding_token_classifies_whole_texts(kind: str, tmp_path: Path) -> None:
    task = "sequence-classification"
    model = _model(tmp_path, kind, task, pads=False)
    supernet = nas.Supernet.from_pretrained(model, task=task, num_labels=2)
    data = nas.encode(nas.load_examples(_text(tmp_path, task)), supernet.tokenizer, max_length=16)
    with torch.no_grad():
        together = supernet.model(**data.batch(range(6)).inputs).logits
        apart = torch.cat([supernet.model(**data.batch([index]).inputs).logits for index in range(6)])
    torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-5)  # float32, sums in another order


def test_an_encoder_decoder_that_cannot_find_the_end_of_a_text_is_told(tmp_path: Path) -> None:
    task = "sequence-classification"
    with pytest.raises(nas.ConfigError, match=r"t5 classifies at the end token .* have 0 to 0"):
        run_search(_config(tmp_path, _model(tmp_path, "t5", task), task))


def test_an_encoder_decoder_classifies_texts_that_are_closed(tmp_path: Path) -> None:
    task = "sequence-classification"
    config = _config(tmp_path, _model(tmp_path, "t5", task, closes=True), task, search={"trials": 3})
    with run_search(config) as study:
        assert 0 <= study.baseline["accuracy"] <= 1


@pytest.mark.parametrize(
    ("kind", "space", "message"),
    [
        ("llama", {"num_attention_heads": [2]}, "counted by num_key_value_heads, and by num_key_value_gr"),
        ("gpt2", {"num_key_value_heads": [2]}, "allowed are .*num_attention_heads.* every head has keys"),
        ("t5", {"num_hidden_layers": [2]}, "allowed are num_encoder_layers, num_decoder_layers"),
        ("llama", {"num_encoder_layers": [2]}, "allowed are num_hidden_layers.* has one stack of layers"),
        ("gpt2", {"kind": "medium", "num_hidden_layers": [1]}, "dropped by 0 heads and an intermediate"),
        ("gpt2", {"kind": "layer", "hidden_size": [8]}, "on or off; choose uniform or medium for sizes"),
    ],
)
def test_a_dimension_of_another_architecture_is_refused_before_training(
    kind: str, space: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.jobs.supernets.train_supernet", _trained)
    task = "seq2seq-lm" if kind == "t5" else "causal-lm"
    config = _config(tmp_path, _model(tmp_path, kind, task), task, space=space)
    with pytest.raises(nas.ConfigError, match=message):
        run_search(config)


def _trained(*_: object, **__: object) -> None:
    raise AssertionError("trained before the config was checked")


def _changed(**changes: Any) -> Callable[[Path], SearchConfig]:
    return lambda folder: _config(folder, _model(folder, "gpt2", "causal-lm"), "causal-lm", **changes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_changed(objectives=["max spearman", "min macs"]), "spearman' does not apply to task causal-lm"),
        (_changed(target={"sequence_length": 64}), "has sequence_length 64; the model takes at most 32"),
        (_changed(constraints=["num_parameters <= 10"]), "no sub-network of this space meets"),
    ],
)
def test_what_would_end_a_search_is_told_before_training(
    make: Callable[[Path], SearchConfig], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.jobs.supernets.train_supernet", _trained)
    with pytest.raises(nas.NasError, match=message):
        run_search(make(tmp_path))


def test_an_objective_that_is_always_zero_is_refused(tmp_path: Path) -> None:
    model, task = _model(tmp_path, "vit", "image-classification"), "image-classification"
    config = _config(tmp_path, model, task, objectives=["max accuracy", "min kv_cache_bytes"])
    with pytest.raises(nas.ConfigError, match="kv_cache_bytes is 0 for every sub-network of this vit model"):
        profile_search(config)


def test_blocks_longer_than_the_model_are_refused(tmp_path: Path) -> None:
    config = _config(tmp_path, _model(tmp_path, "gpt2", "causal-lm"), "causal-lm")
    data = config.data.model_copy(update={"max_length": 64})
    with pytest.raises(nas.ConfigError, match="has 64 tokens, but the model has 32 positions"):
        run_search(config.model_copy(update={"data": data}))


def test_metrics_that_objectives_name_need_not_be_named_twice(tmp_path: Path) -> None:
    model = _model(tmp_path, "gpt2", "causal-lm")
    objectives = ["min loss", "max accuracy"]
    config = _config(tmp_path, model, "causal-lm", objectives=objectives, search={"trials": 2})
    with run_search(config) as study:
        assert {"perplexity", "loss", "accuracy"} <= set(study.baseline)


def test_a_task_without_a_head_for_the_architecture_is_refused(tmp_path: Path) -> None:
    config = _config(tmp_path, _model(tmp_path, "llama", "causal-lm"), "causal-lm")
    model = config.model.model_copy(update={"task": "masked-lm"})
    wrong = config.model_copy(update={"model": model, "objectives": ("min loss", "min num_parameters")})
    with pytest.raises(nas.ConfigError, match=r"for model type 'llama'; allowed for it: .*causal-lm"):
        run_search(wrong)


def test_a_file_with_sources_only_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sources.csv").write_text("source\nthe\na\n")
    with pytest.raises(nas.ConfigError, match=r"none of the columns 'target'.* it has 'source'"):
        nas.load_text_pairs(tmp_path / "sources.csv")
