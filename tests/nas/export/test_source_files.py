from __future__ import annotations

import json

from nas.export.source_files import copy_processor_files


def test_a_processor_beside_the_source_is_handed_over(tmp_path):
    source, folder = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    folder.mkdir()
    (source / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.5]}))
    (source / "thesis.txt").write_text("years of work")
    copy_processor_files({"source": str(source)}, folder)
    assert [path.name for path in folder.iterdir()] == ["preprocessor_config.json"]


def test_a_processor_that_asks_for_code_is_left_out(tmp_path):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"auto_map": {"AutoProcessor": "x.Y"}}))
    folder = tmp_path / "out"
    folder.mkdir()
    copy_processor_files({"source": str(tmp_path)}, folder)
    assert list(folder.iterdir()) == []


def test_a_source_that_is_not_here_has_none(tmp_path):
    copy_processor_files({"source": "someone/never-downloaded-model", "revision": None}, tmp_path)
    copy_processor_files({"source": "no path : and no hub id"}, tmp_path)
    copy_processor_files({}, tmp_path)
    assert list(tmp_path.iterdir()) == []
