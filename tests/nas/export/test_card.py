from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import yaml

from nas.errors import ConfigError
from nas.export import ExportFacts
from nas.export.card import model_card
from nas.export.record import build_record
from nas.supernet import Supernet
from search_spaces import Workload


@pytest.fixture
def card_of(supernet, mixed_config):
    """The model card of a sub-network with these facts, from a supernet with this provenance."""

    def write(facts: ExportFacts, provenance=None, config=mixed_config) -> str:
        own = Supernet.from_model(supernet.model, supernet.tokenizer)
        own.provenance = dict(provenance or {"source": "org/model"})
        config = config.canonical(own.shape)
        return model_card(own, config, build_record(own, config, facts))

    return write


def front_matter(card: str) -> dict:
    return yaml.safe_load(card.split("---\n")[1])


def rows(card: str) -> dict[str, list[str]]:
    cells = [line.strip("| ").split(" | ") for line in card.splitlines() if line.startswith("| ")]
    return {row[0]: row[1:] for row in cells}


def test_the_front_matter_names_the_base_model_and_no_licence_that_nobody_stated(card_of, facts):
    found = front_matter(card_of(facts))
    assert found["base_model"] == "org/model"
    assert found["pipeline_tag"] == "text-classification"
    assert "custom_code" in found["tags"]
    assert "license" not in found


def test_a_stated_licence_is_handed_on(card_of, facts):
    card = card_of(facts, {"source": "org/model", "license": "apache-2.0"})
    assert front_matter(card)["license"] == "apache-2.0"


def test_a_folder_of_this_machine_is_no_base_model_and_its_path_stays_out(card_of, facts, tmp_path):
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    card = card_of(facts, {"source": str(folder)})
    assert "base_model" not in front_matter(card)
    assert str(tmp_path) not in card
    assert "# Sub-network of checkpoint" in card


def test_the_table_sets_the_full_model_beside_the_sub_network(card_of, facts, supernet, mixed_config):
    found = rows(card_of(replace(facts, workload=Workload(batch_size=2, sequence_length=16))))
    costs = supernet.cost(mixed_config, Workload(batch_size=2, sequence_length=16))
    assert found["attention heads"] == ["4", "2, –, 3"]
    assert found["FFN width"] == ["64", "10, 3, –"]
    assert found["layers"] == ["4", "3 (numbers 0, 1, 3 of the full model)"]
    assert found["hidden size"] == ["32", "24"]
    assert found["parameters"][1].startswith(f"{costs.num_parameters:,} ")
    assert found["MACs, 2 x 16 tokens"][1].startswith(f"{costs.macs:,} ")
    assert found["accuracy"] == ["0.66", "0.61"]
    assert found["latency_ms"] == ["5.1", "3.2"]


def test_counted_costs_are_not_listed_as_measured(card_of, facts, supernet, mixed_config):
    parameters = supernet.cost(mixed_config).num_parameters
    card = card_of(replace(facts, metrics={"num_parameters": parameters, "macs": 1.0, "accuracy": 0.61}))
    assert {"num_parameters", "macs"}.isdisjoint(rows(card))
    assert "accuracy" in rows(card)


def test_the_card_says_that_nothing_was_fine_tuned_unless_it_was(card_of, facts):
    assert "**Not fine-tuned after pruning.**" in card_of(facts)
    recovered = card_of(replace(facts, recovery="logit distillation, 500 passes"))
    assert "Not fine-tuned" not in recovered
    assert "Trained after pruning: logit distillation, 500 passes." in recovered


def test_the_card_shows_how_to_load_either_class(card_of, facts, plain_config):
    call = 'AutoModelForSequenceClassification.from_pretrained("FOLDER"'
    assert f"{call}, trust_remote_code=True)" in card_of(facts)
    assert f"{call})" in card_of(facts, config=plain_config)


def test_the_card_names_study_device_and_data(card_of, facts):
    card = card_of(facts)
    assert "- study: tiny\n- trial: 17\n" in card
    assert "fingerprint (cpu a processor, logical_cores 2)" in card
    assert "name sentences" in card


def test_a_card_without_facts_leaves_out_what_is_unknown(card_of):
    card = card_of(ExportFacts())
    assert "What was measured" not in card
    assert "study" not in rows(card)
    assert "- study" not in card


def test_names_cannot_write_tables_or_html(card_of, facts):
    card = card_of(replace(facts, study="a | b\n# <script>alert(1)</script>"))
    assert "<script>" not in card
    assert "- study: a \\| b # &lt;script>" in card


def test_the_record_holds_what_an_export_was_selected_by(supernet, mixed_config, facts):
    record = build_record(supernet, mixed_config.canonical(supernet.shape), facts)
    assert record["constraints"] == ["latency_ms <= 4"]
    assert record["samples"] == {"latency_ms": [3.1, 3.2, 3.3]}
    assert record["supernet"]["sha256"] == supernet.sha256
    assert record["costs"]["full"]["num_parameters"] == supernet.cost(supernet.full).num_parameters
    assert {"subnas", "torch", "transformers"} <= set(record["versions"])
    assert json.loads(json.dumps(record)) == record


@pytest.mark.parametrize("metrics", [{"accuracy": float("nan")}, {"accuracy": object()}])
def test_facts_that_are_no_json_are_refused(supernet, mixed_config, metrics):
    with pytest.raises(ConfigError, match="must be JSON with finite numbers"):
        build_record(supernet, mixed_config.canonical(supernet.shape), ExportFacts(metrics=metrics))


def test_facts_of_another_sub_network_are_refused(supernet, mixed_config):
    with pytest.raises(ConfigError, match="facts say 12 parameters, but sub-network"):
        build_record(
            supernet,
            mixed_config.canonical(supernet.shape),
            ExportFacts(metrics={"num_parameters": 12}),
        )


def test_the_card_shows_the_pictures_that_lie_in_the_folder(plain_report):
    card = (plain_report.folder / "README.md").read_text()
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", card)
    assert shown == ["architecture.svg"]
    assert set(shown) < set(plain_report.files)
