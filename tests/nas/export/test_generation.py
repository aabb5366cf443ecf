"""A decoder whose blocks all differ, handed over and used where the project is not installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
)

from nas.errors import ExportVerificationError
from nas.export import ExportFacts, export_subnet, verify_folder
from nas.export.generation import generation_of
from nas.export.reference import Reference
from nas.supernet import Supernet
from search_spaces import LayerUnits, SubnetConfig

ROOT = Path(__file__).resolve().parents[3]
#: Its first attention is removed, its third block dropped, its fourth FFN removed.
UNEQUAL = SubnetConfig(
    hidden=10,
    layers=(
        LayerUnits(heads=0, queries=0, ffn=5),
        LayerUnits(heads=2, queries=1, ffn=(3, 7, 11)),
        None,
        LayerUnits(heads=(0, 2, 3), queries=2, ffn=0),
        LayerUnits(heads=4, queries=1, ffn=9),
    ),
)
PLAIN = SubnetConfig(hidden=12, layers=(*[LayerUnits(heads=3, queries=2, ffn=8)] * 4, None))
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"

#: What a user does with a folder; prints greedy tokens with and without a cache.
USER_PROGRAM = """
import importlib.util, json, os, sys
sys.path = [path for path in sys.path if os.path.realpath(path) != sys.argv[2]]  # an editable install's
assert importlib.util.find_spec("nas") is None, "this process can import the project"
import torch
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], trust_remote_code=True)
model.save_pretrained("again")
again = AutoModelForCausalLM.from_pretrained("again", trust_remote_code=True)
prompt = torch.tensor(json.loads(sys.argv[3]))
options = {"max_new_tokens": 8, "min_new_tokens": 8, "do_sample": False}
print(json.dumps([
    m.generate(prompt, attention_mask=torch.ones_like(prompt), use_cache=use_cache, **options).tolist()
    for m in (model, again) for use_cache in (True, False)
]))
"""


@pytest.fixture(scope="session")
def llama(scrambled, tokenizer) -> Supernet:
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=5,
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=4,
        intermediate_size=24,
        max_position_embeddings=64,
    )
    model = scrambled(LlamaForCausalLM(config))
    model.generation_config.repetition_penalty = 1.3
    tokenizer.chat_template = TEMPLATE
    return Supernet.from_model(model, tokenizer, task="causal-lm")


@pytest.fixture(scope="session")
def unequal(llama, tmp_path_factory):
    return export_subnet(llama, UNEQUAL, tmp_path_factory.mktemp("llama") / "out", facts=ExportFacts())


@pytest.mark.slow
def test_a_decoder_of_unequal_blocks_generates_the_same_tokens_where_the_project_is_not_installed(
    unequal, llama, tmp_path
):
    prompt = torch.tensor([[7, 8, 9, 10], [20, 12, 31, 6]])
    environment = {"PATH": os.environ["PATH"], "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            USER_PROGRAM,
            str(unequal.folder),
            str(ROOT),
            json.dumps(prompt.tolist()),
        ],
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with llama.active(UNEQUAL) as model:
        expected = model.generate(
            prompt, max_new_tokens=8, min_new_tokens=8, do_sample=False, use_cache=False
        )
    assert len(expected[:, 4:].unique()) > 2
    assert json.loads(done.stdout) == [expected.tolist()] * 4


@pytest.mark.slow
def test_a_decoder_of_unequal_blocks_says_where_it_keeps_its_cache(unequal):
    record = json.loads((unequal.folder / "config.json").read_text())
    own = record["per_layer_config"]
    assert own["0"]["skip"] == ["attention"]
    assert own["2"]["skip"] == ["ffn"]
    assert (record["hidden_size"], record["num_hidden_layers"]) == (10, 4)
    assert [block["num_key_value_heads"] for block in record["subnet"]["stacks"][0]] == [0, 2, 3, 4]


@pytest.mark.slow
def test_generation_config_and_chat_template_are_handed_over(unequal):
    assert json.loads((unequal.folder / "generation_config.json").read_text())["repetition_penalty"] == 1.3
    assert AutoTokenizer.from_pretrained(unequal.folder).chat_template == TEMPLATE


@pytest.mark.slow
def test_without_trust_the_folder_fails_loudly(unequal):
    with pytest.raises(ValueError, match="trust_remote_code=True"):
        AutoModelForCausalLM.from_pretrained(unequal.folder, trust_remote_code=False)


@pytest.mark.slow
def test_a_changed_generation_config_is_found(unequal, tmp_path):
    from nas.export.checksums import write_sums

    folder = shutil.copytree(unequal.folder, tmp_path / "out")
    path = folder / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "repetition_penalty": 9.0}))
    write_sums(folder)
    with pytest.raises(ExportVerificationError, match="a key-value cache it generates"):
        verify_folder(folder)


@pytest.mark.slow
def test_a_plain_decoder_loads_with_the_stock_class(llama, tmp_path):
    report = export_subnet(llama, PLAIN, tmp_path / "out", facts=ExportFacts())
    assert (report.portability, report.auto_class) == ("plain", "AutoModelForCausalLM")
    assert type(AutoModelForCausalLM.from_pretrained(report.folder)) is LlamaForCausalLM
    assert Reference.load(report.folder).generation is not None


def test_a_classifier_generates_nothing(scrambled):
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
        )
    )
    assert generation_of(scrambled(model), 1e-5) is None


def test_tokens_that_hang_on_rounding_are_not_compared(llama):
    whole = generation_of(llama.model, 1e-5)
    assert whole is not None
    assert whole.tokens.shape == (2, 8)
    assert generation_of(llama.model, 1e9) is None
