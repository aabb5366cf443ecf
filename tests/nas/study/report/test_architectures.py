from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from nas.report.document import Gallery, Picture
from nas.study.report import architectures
from nas.study.report.reading import Reading


def test_every_member_of_a_small_front_is_pictured(write, section_of):
    study = write()
    study.full()
    study.add({"accuracy": 0.8})
    gallery = next(
        block for block in section_of(study.document, "architectures").blocks if isinstance(block, Gallery)
    )
    front = Reading.of(study.study, study.ledger).front
    assert [picture.caption.partition(":")[0] for picture in gallery.pictures] == [
        f"Trial {trial.number}" for trial in front
    ]


def test_rows_of_the_heat_map_are_the_members_the_largest_on_top(write, section_of):
    study = write()
    study.full(accuracy=0.9)
    study.add({"accuracy": 0.1}, config=study.space.smallest())
    heat_map = next(
        block for block in section_of(study.document, "architectures").blocks if isinstance(block, Picture)
    )
    texts = [
        text.text for text in ElementTree.fromstring(heat_map.svg).iter("{http://www.w3.org/2000/svg}text")
    ]
    assert [text for text in texts if text.startswith("trial")] == ["trial 0", "trial 1"]


def test_of_a_large_front_some_members_are_shown_and_counted(write, section_of, monkeypatch):
    monkeypatch.setattr(architectures, "MOST_ROWS", 2)
    study = write(objectives=("max accuracy", "min loss"))
    study.full(accuracy=0.9, loss=0.9)
    for step in range(4):
        study.add({"accuracy": 0.8 - step / 10, "loss": 0.8 - step / 10})
    heat_map = section_of(study.document, "architectures").blocks[0]
    assert "2 of 5 members, evenly spread." in heat_map.caption
