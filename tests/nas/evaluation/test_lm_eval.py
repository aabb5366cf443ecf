"""Quality on tasks of the lm-evaluation-harness, here on local files only."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import nas
from nas.evaluation import LmEvalEvaluator, arrays_of, evaluate_folder, evaluate_model, skeleton_of
from nas.objectives import Constraint
from nas.supernet import Supernet

pytest.importorskip("lm_eval", reason="needs the extra lm-eval")
pytest.importorskip("accelerate", reason="needs the extra lm-eval")

WORDS = ["<unk>", "<eos>", "the", "cat", "dog", "sees", "hears", "a", "bird", "fish", "."]
CHOICE = """
task: my_choice
dataset_path: json
dataset_kwargs: {data_files: {test: choice.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{start}}"
doc_to_choice: "{{options}}"
doc_to_target: label
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
"""
TEXT = """
task: my_text
dataset_path: json
dataset_kwargs: {data_files: {test: text.jsonl}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list:
  - {metric: word_perplexity, aggregation: weighted_perplexity, higher_is_better: false}
  - {metric: bits_per_byte, aggregation: bits_per_byte, higher_is_better: false}
"""
NAMES = ("my_choice/acc", "my_text/word_perplexity", "my_text/bits_per_byte")
TEXTS = ["the cat sees a bird", "a dog hears the fish the cat", "the fish sees a dog"]


@pytest.fixture(autouse=True)
def dataset_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `datasets` prepares from the files goes when the test ends."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", eos_token="<eos>")


@pytest.fixture(scope="module")
def model() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(WORDS), n_positions=32, n_embd=16, n_layer=2, n_head=2)
    config.bos_token_id = config.eos_token_id = 1
    gpt2 = GPT2LMHeadModel(config)
    for parameter in gpt2.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return gpt2.eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two tasks with their data beside them."""
    (tmp_path / "choice.yaml").write_text(CHOICE)
    (tmp_path / "text.yaml").write_text(TEXT)
    options = [["cat", "dog"], ["bird", "fish"], ["sees", "hears"], ["fish", "cat"]]
    rows = [{"start": "the", "options": each, "label": i % 2} for i, each in enumerate(options)]
    (tmp_path / "choice.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (tmp_path / "text.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in TEXTS))
    return tmp_path


@pytest.fixture
def evaluator(folder: Path) -> LmEvalEvaluator:
    return LmEvalEvaluator(tasks=("my_choice", "my_text"), include_path=folder)


def nats(model: Any, tokenizer: Any, text: str) -> float:
    """Negative log-likelihood of a text after the end-of-text token, by transformers alone."""
    tokens = torch.tensor([[1, *tokenizer(text).input_ids]])
    with torch.no_grad():
        return float(model(tokens, labels=tokens).loss) * (tokens.shape[1] - 1)


def test_metrics_are_those_of_transformers_alone(
    model: GPT2LMHeadModel, tokenizer: Any, evaluator: LmEvalEvaluator
) -> None:
    quality = evaluate_model(model, tokenizer, evaluator)
    total = sum(nats(model, tokenizer, text) for text in TEXTS)
    words, size = sum(len(text.split()) for text in TEXTS), sum(len(text) for text in TEXTS)
    assert set(quality.metrics) == set(NAMES)
    assert quality.metrics["my_text/word_perplexity"] == pytest.approx(math.exp(total / words), rel=1e-4)
    assert quality.metrics["my_text/bits_per_byte"] == pytest.approx(total / size / math.log(2), rel=1e-4)
    assert quality.examples == 7


def test_metrics_are_those_of_simple_evaluate(
    model: GPT2LMHeadModel, tokenizer: Any, evaluator: LmEvalEvaluator, folder: Path
) -> None:
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    for name in ("choice", "text"):
        path = folder / f"{name}.yaml"
        path.write_text(path.read_text().replace(f"{name}.jsonl", str(folder / f"{name}.jsonl")))
    theirs = lm_eval.simple_evaluate(
        HFLM(pretrained=model, tokenizer=copy.deepcopy(tokenizer)),
        tasks=["my_choice", "my_text"],
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        num_fewshot=0,
        bootstrap_iters=0,
    )["results"]
    expected = {name: theirs[name.split("/")[0]][f"{name.split('/')[1]},none"] for name in NAMES}
    assert evaluate_model(model, tokenizer, evaluator).metrics == pytest.approx(expected, rel=1e-6)


def test_a_saved_folder_scores_as_its_model(
    model: GPT2LMHeadModel, tokenizer: Any, evaluator: LmEvalEvaluator, tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    from_folder = evaluate_folder(tmp_path / "model", evaluator).metrics
    assert from_folder == evaluate_model(model, tokenizer, evaluator).metrics


def test_a_limit_takes_the_first_examples_of_each_task(
    model: GPT2LMHeadModel, tokenizer: Any, folder: Path
) -> None:
    limited = LmEvalEvaluator(tasks=("my_text",), include_path=folder, limit=1)
    quality = evaluate_model(model, tokenizer, limited)
    expected = math.exp(nats(model, tokenizer, TEXTS[0]) / len(TEXTS[0].split()))
    assert quality.metrics["my_text/word_perplexity"] == pytest.approx(expected, rel=1e-4)
    assert quality.examples == 1


def test_named_metrics_only_are_reported(model: GPT2LMHeadModel, tokenizer: Any, folder: Path) -> None:
    some = LmEvalEvaluator(tasks=("my_text",), include_path=folder, metrics=("my_text/bits_per_byte",))
    assert list(evaluate_model(model, tokenizer, some).metrics) == ["my_text/bits_per_byte"]


def test_the_given_tokenizer_is_left_as_it_is(
    model: GPT2LMHeadModel, tokenizer: Any, evaluator: LmEvalEvaluator
) -> None:
    evaluate_model(model, tokenizer, evaluator)
    assert tokenizer.pad_token is None


def test_a_metric_of_a_task_can_be_a_budget() -> None:
    constraint = Constraint.parse("my-task/acc >= 0.9 * baseline", metrics=("my-task/acc",))
    assert (constraint.metric, constraint.number) == ("my-task/acc", 0.9)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("process_docs: !function code.run", "!function code.run"),
        ("unsafe_code: true", "unsafe_code: True"),
        ("class: !function code.Task", "!function code.Task"),
        ("use_prompt: 'prompts.yaml:one'", "use_prompt"),
        ("include: other.yaml", "other.yaml.*!function code.run"),
        ("metric_list: [{metric: code.py}]", "metric: code.py"),
        ("metric_list: [{metric: acc, hf_evaluate: true}]", "metric: acc"),
        ("dataset_path: pandas", "unpickles"),
        ("x: !!python/object/apply:os.getcwd []", "no task 'my_text'"),
    ],
)
def test_code_of_a_task_is_refused_and_not_run(
    line: str, message: str, folder: Path, model: GPT2LMHeadModel, tokenizer: Any
) -> None:
    (folder / "code.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\nrun = Task = None\n")
    (folder / "other.yaml").write_text("process_docs: !function code.run\n")
    (folder / "text.yaml").write_text(f"{TEXT}\n{line}\n")
    with pytest.raises(nas.ConfigError, match=message):
        evaluate_model(model, tokenizer, LmEvalEvaluator(tasks=("my_text",), include_path=folder))
    assert not (folder / "ran").exists()


def test_code_of_a_task_runs_where_it_is_allowed(
    folder: Path, model: GPT2LMHeadModel, tokenizer: Any
) -> None:
    (folder / "code.py").write_text("def first(rows):\n    return rows.select([0])\n")
    (folder / "text.yaml").write_text(f"{TEXT}\nprocess_docs: !function code.first\n")
    allowed = LmEvalEvaluator(tasks=("my_text",), include_path=folder, allow_code=True)
    assert evaluate_model(model, tokenizer, allowed).examples == 1


def test_templates_do_not_reach_python(folder: Path, model: GPT2LMHeadModel, tokenizer: Any) -> None:
    attack = "{{ ''.__class__.__mro__[1].__subclasses__() }}"
    (folder / "text.yaml").write_text(TEXT.replace("{{text}}", attack))
    with pytest.raises(nas.ConfigError, match="'__class__' of 'str' object is unsafe"):
        evaluate_model(model, tokenizer, LmEvalEvaluator(tasks=("my_text",), include_path=folder))


def test_the_harness_is_left_as_it_was(
    model: GPT2LMHeadModel, tokenizer: Any, evaluator: LmEvalEvaluator
) -> None:
    import lm_eval.utils as texts
    from lm_eval.models import huggingface

    before = texts.env, huggingface.tqdm
    evaluate_model(model, tokenizer, evaluator)
    assert (texts.env, huggingface.tqdm) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": ("other",)}, "no task 'other'"),
        ({"tasks": ()}, "no lm-eval task is given"),
        ({"include_path": "/nowhere"}, "is no folder"),
    ],
)
def test_what_cannot_be_loaded_is_told(
    changes: dict[str, Any], message: str, evaluator: LmEvalEvaluator, model: Any, tokenizer: Any
) -> None:
    options = {"tasks": ("my_text",), "include_path": evaluator.include_path} | changes
    with pytest.raises(nas.ConfigError, match=message):
        evaluate_model(model, tokenizer, LmEvalEvaluator(**options))


def test_a_missing_data_file_is_told(folder: Path, evaluator: LmEvalEvaluator) -> None:
    (folder / "text.jsonl").unlink()
    with pytest.raises(nas.ConfigError, match="lm-eval cannot load"):
        evaluator.load()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": "one"}, "lists of names"),
        ({"limit": 0}, "limit is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"num_fewshot": -1}, "num_fewshot is -1"),
        ({"precision": "int8"}, "allowed are stored, float32, bfloat16"),
    ],
)
def test_options_are_checked_when_made(options: dict[str, Any], message: str) -> None:
    with pytest.raises(nas.ConfigError, match=message):
        LmEvalEvaluator(**({"tasks": ("my_text",)} | options))


def test_without_the_harness_the_extra_is_named(
    model: Any, tokenizer: Any, evaluator: LmEvalEvaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    for name in [name for name in sys.modules if name.split(".")[0] == "lm_eval"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(nas.ConfigError, match=r"pip install 'subnas\[lm-eval\]'"):
        evaluate_model(model, tokenizer, evaluator)


def test_a_folder_that_asks_for_code_is_refused(
    model: GPT2LMHeadModel, evaluator: LmEvalEvaluator, tmp_path: Path
) -> None:
    path = tmp_path / "model"
    model.save_pretrained(path)
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "code.Model"}}))
    with pytest.raises(nas.UnsupportedModelError, match="auto_map"):
        evaluate_folder(path, evaluator)


def test_a_classifier_is_refused(
    make_supernet: Callable[..., Supernet], tokenizer: Any, evaluator: LmEvalEvaluator
) -> None:
    with pytest.raises(nas.ConfigError, match="need a causal language model; got BertFor"):
        evaluate_model(make_supernet().model, tokenizer, evaluator)


def test_results_are_told_apart_by_data_and_settings(folder: Path) -> None:
    def sha256(**options: Any) -> str:
        given = {"tasks": ("my_text",), "include_path": folder} | options
        return LmEvalEvaluator(**given).load().sha256

    before = sha256()
    assert before == sha256()
    assert before != sha256(limit=1)
    assert before != sha256(tasks=("my_choice",))
    (folder / "text.jsonl").write_text(json.dumps({"text": "the cat"}))
    assert before != sha256()


@pytest.fixture(scope="module")
def llama(tokenizer: Any) -> Supernet:
    """A tiny causal supernet, where the family and the task are known."""
    from nas.families import family_of
    from nas.supernet.loading import check_task

    try:
        family_of("llama")
        check_task("causal-lm")
    except nas.NasError as error:
        pytest.skip(f"not supported yet: {error}")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=32,
        bos_token_id=1,
        eos_token_id=1,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return Supernet.from_model(model, tokenizer, task="causal-lm")


def test_a_sub_network_in_search_scores_as_its_extracted_model(
    llama: Supernet, evaluator: LmEvalEvaluator
) -> None:
    prepared = evaluator.prepare(llama)
    worker = prepared.factory(skeleton_of(llama))(arrays_of(llama))
    assert prepared.metrics == NAMES
    assert prepared.num_examples == 7
    for config in (llama.space("uniform").middle(), llama.full, llama.space("uniform").smallest()):
        found = worker(config.to_json()).metrics
        expected = evaluate_model(llama.extract(config), llama.tokenizer, evaluator).metrics
        assert found == pytest.approx(expected, rel=1e-4)


def test_a_worker_with_other_data_refuses_to_start(
    llama: Supernet, evaluator: LmEvalEvaluator, folder: Path
) -> None:
    factory = evaluator.prepare(llama).factory(skeleton_of(llama))
    (folder / "text.jsonl").write_text(json.dumps({"text": "the cat"}))
    with pytest.raises(nas.ConfigError, match="are not those that the search began with"):
        factory(arrays_of(llama))


def test_an_unknown_metric_is_told_with_those_that_are_reported(llama: Supernet, folder: Path) -> None:
    wrong = LmEvalEvaluator(tasks=("my_text",), include_path=folder, metrics=("my_text/acc",))
    with pytest.raises(nas.ConfigError, match="reported are my_text/word_perplexity"):
        wrong.prepare(llama)
