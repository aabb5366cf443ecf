"""Pictures of an exported folder."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from nas.errors import ExportVerificationError
from nas.export import verify_folder
from nas.export.pictures import front_picture, picture_names, write_pictures
from search_spaces import LayerUnits, SubnetConfig

FRONT = '<svg xmlns="http://www.w3.org/2000/svg"/>'
RECORD = {"study": "tiny", "trial": 17, "recovery": None, "pictures": ["architecture.svg", "front.svg"]}


def test_the_architecture_is_drawn_and_named_after_its_trial(plain_report):
    root = ElementTree.parse(plain_report.folder / "architecture.svg").getroot()
    title, description = list(root)[:2]
    assert title.text == "Trial 17 of tiny"
    assert description.text.startswith("3 of 4 layers, 9 of 16 heads, 30 of 256 FFN neurons")


def test_pictures_have_hashes_and_stand_in_the_record(plain_report):
    sums = (plain_report.folder / "SHA256SUMS").read_text()
    assert "  architecture.svg\n" in sums
    assert json.loads((plain_report.folder / "nas.json").read_text())["pictures"] == ["architecture.svg"]


def test_a_changed_picture_fails_verification(plain_folder):
    with (plain_folder / "architecture.svg").open("a") as file:
        file.write("<!-- -->")
    with pytest.raises(ExportVerificationError, match=r"changed: architecture\.svg"):
        verify_folder(plain_folder)


def test_the_front_is_written_as_it_was_drawn(supernet, plain_config, tmp_path):
    config = plain_config.canonical(supernet.shape)
    write_pictures(tmp_path, supernet.shape, config, RECORD, FRONT)
    assert {path.name for path in tmp_path.iterdir()} == set(picture_names(FRONT))
    assert (tmp_path / "front.svg").read_text() == FRONT


def test_no_front_leaves_no_file_of_one(supernet, plain_config, tmp_path):
    write_pictures(tmp_path, supernet.shape, plain_config.canonical(supernet.shape), RECORD, None)
    assert [path.name for path in tmp_path.iterdir()] == ["architecture.svg"] == list(picture_names(None))


def test_the_card_says_that_the_front_is_older_than_a_recovery():
    before = " ".join(front_picture(RECORD))
    after = " ".join(front_picture({**RECORD, "recovery": "200 passes"}))
    assert "![Pareto front" in before
    assert "before the training" in after
    assert "before the training" not in before


def test_a_record_of_an_older_version_has_no_pictures():
    assert front_picture({"recovery": None}) == []


def test_equal_sub_networks_give_equal_pictures(supernet, tmp_path):
    config = SubnetConfig(hidden=24, layers=(*[LayerUnits(heads=3, ffn=10)] * 3, None))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_pictures(tmp_path / name, supernet.shape, config.canonical(supernet.shape), RECORD, None)
    first, second = ((tmp_path / name / "architecture.svg").read_bytes() for name in ("a", "b"))
    assert first == second
