from __future__ import annotations

import dataclasses

from nas.study.report.environment import environment_section
from nas.study.report.reading import Reading


def test_versions_of_each_record_are_a_row(write, tables_of):
    study = write()
    study.evaluated_with(versions={"python": "3.11", "torch": "2.13"})
    study.study.store_config({"name": "tiny"})
    table = tables_of(study.document, "environment")[0]
    assert table.rows[0][1:3] == ("3.11", "2.13")
    assert len(table.rows) == 2


def test_hashes_name_weights_and_space(write, text_of):
    study = write()
    fingerprint = study.ledger.study("tiny").fingerprint
    text = text_of(study.document, "environment")
    assert f"Weights of the supernet: SHA-256 {fingerprint['supernet']}" in text
    assert f"Search space: SHA-256 {fingerprint['space']}" in text


class _Elsewhere:
    """A ledger of which only the URL differs, as `Ledger.url` shows one with a password."""

    def __init__(self, ledger):
        self._ledger = ledger
        self.url = "postgresql://user:***@host/nas"

    def __getattr__(self, name):
        return getattr(self._ledger, name)


def test_the_database_is_named_as_the_ledger_names_it(write):
    study = write()
    reading = dataclasses.replace(Reading.of(study.study, study.ledger), ledger=_Elsewhere(study.ledger))
    facts = environment_section(reading).blocks[0]
    assert facts.values["Database"].startswith("postgresql://user:***@host/nas, schema ")
