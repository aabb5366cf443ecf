"""The example notebook runs from top to bottom, and objects show themselves in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from nas.jobs.bundled import HUB_ID, bundled_model

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
#: By the last line of a cell, what its picture or table must hold.
SHOWN = {
    "study.profile()": ("text/html", "<th>smallest</th>"),
    "study": ("text/html", "Pareto front of notebook"),
    "study.plot.pareto(selected=best, where=BUDGET)": ("text/html", "Pareto front of notebook"),
    "best": ("text/html", "FFN neurons"),
    "nas.Target.local(sequence_length=64, threads=1)": ("text/html", "sequence_length"),
    "study.recover(train, top=1, budget=nas.Budget(passes=4))": ("text/html", "Recovery of notebook"),
}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_kept_without_what_a_run_left_in_it(path: Path) -> None:
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert cells
    assert [cell.outputs for cell in cells if cell.outputs] == []
    assert {cell.execution_count for cell in cells} == {None}


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(600)
def test_the_quickstart_notebook_runs_and_shows_study_trial_profile_target_and_recovery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    shown = {
        cell.source.splitlines()[-1]: bundle_of(cell)
        for cell in executed(ROOT / "examples" / "quickstart.ipynb", tmp_path)
    }
    for line, (kind, text) in SHOWN.items():
        found = [str(content) for name, content in shown[line].items() if name.startswith(kind)]
        assert found, f"{line} shows {sorted(shown[line])}, no {kind}"
        assert text in found[0], line
    assert "<svg" in shown["study"]["text/html"]
    assert "<svg" in shown["best"]["text/html"]


def executed(path: Path, folder: Path) -> list[Any]:
    """Code cells after a run in a folder of its own, without a network."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace(HUB_ID, bundled_model())
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
    client.execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def bundle_of(cell: Any) -> dict[str, Any]:
    """What the last line of a cell shows, by MIME type."""
    for output in cell.outputs:
        if output.output_type == "execute_result":
            return dict(output.data)
    return {}
