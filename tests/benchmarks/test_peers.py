"""The comparison with Torch-Pruning: what a case measures, and how its table reads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import peer_ours, peers
from benchmarks.peer_cases import CASES, case_of
from benchmarks.peer_models import build, in_features, inputs_of, kept_of, logits_of, sizes_of
from benchmarks.peer_side import RefusedError
from nas.families import known_model_types

ROOT = Path(__file__).parents[2]


def test_case_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama 3:1", "phi3", "t5", "vit", "whisper"])
def test_layout_names_every_projection_of_a_case(name: str) -> None:
    case = case_of(name)
    model = build(case, quick=True)

    sizes = sizes_of(case, model)

    head_dim, blocks = 8, {"t5": 6, "whisper": 6}.get(name, 2)  # an encoder's, and twice a decoder's
    assert sizes["hidden"] == case.heads * head_dim
    assert sizes["heads"] == blocks * case.heads * head_dim
    for endings in (case.layout.queries, case.layout.keys, case.layout.ffn_pairs):
        assert all(any(path.endswith(ending) for path, _ in model.named_modules()) for ending in endings)
    assert model.get_submodule(case.layout.output) is not None


def test_inputs_of_gpt2s_transposed_projection_are_its_rows() -> None:
    model = build(case_of("gpt2"), quick=True)

    assert in_features(model.get_submodule("transformer.h.0.mlp.c_proj")) == 4 * 96


@pytest.mark.parametrize("name", ["bert", "llama multi-query"])
def test_our_side_halves_heads_neurons_and_hidden_size(name: str) -> None:
    case = case_of(name)
    model = build(case, quick=True)
    before = sizes_of(case, model)

    pruned = peer_ours.prune(case, model).model

    assert kept_of(before, sizes_of(case, pruned)) == {"heads": 0.5, "ffn": 0.5, "hidden": 0.5}
    assert logits_of(pruned, inputs_of(case, pruned, batch_size=2)).shape[0] == 2


def test_architecture_that_we_do_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "bert" in known_model_types()
    model = build(case_of("bert"), quick=True)
    monkeypatch.setattr(model.config, "model_type", "unheard-of")

    with pytest.raises(RefusedError, match="unheard-of"):
        peer_ours.prune(case_of("bert"), model)


def test_side_that_is_ended_by_its_watchdog_hangs() -> None:
    begun = '{"outcome": "hangs", "error": "stopped after 60 s"}\n'

    record = peers.record_of(begun, "Timeout (0:01:00)!\nThread 0x1:", returncode=1)

    assert record["outcome"] == "hangs"


def test_side_that_crashes_fails_with_its_last_words() -> None:
    begun = '{"outcome": "hangs", "error": "stopped after 60 s"}\n'

    record = peers.record_of(begun, "Segmentation fault\n", returncode=-11)

    assert record == {"outcome": "fails", "error": "Segmentation fault"}


def test_line_says_what_was_not_halved_and_whether_the_reload_was_edited() -> None:
    record = {
        "outcome": "partly",
        "unpruned": ["heads"],
        "kept": {"heads": 1.0, "ffn": 0.5, "hidden": 0.5},
        "num_parameters": 98_000_000,
        "cpu_s": 1.25,
        "reload": "RuntimeError: ... ignore_mismatched_sizes ...",
        "reload_edited": 0.0,
    }

    cells = [cell.strip() for cell in peers.line("t5", "Torch-Pruning 1.6.1", record).split("|")[1:-1]]

    assert cells == [
        "t5",
        "98 M",
        "Torch-Pruning 1.6.1",
        "partly: heads not halved",
        "100 % · 50 % · 50 %",
        "1.25",
        "",
        "sizes do not match; config edited by hand: equal",
    ]


def test_missing_peer_is_said_with_how_to_install_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "peer_version", lambda python: None)

    assert peers.main(["bert"]) == 2
    assert "pip install --no-deps torch-pruning" in capsys.readouterr().err


@pytest.mark.slow
def test_our_side_reloads_equal_in_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "benchmarks.peer_ours", "llama 4:1", "--quick"]

    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)

    record = peers.record_of(done.stdout, done.stderr, returncode=done.returncode)
    assert (record["outcome"], record["reload"]) == ("works", 0.0)
