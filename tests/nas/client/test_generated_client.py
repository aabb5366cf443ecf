"""A client that a stock generator makes from the OpenAPI document drives a search."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nas.service.application import create_app
from nas.service.description import describe
from nas.service.settings import load_settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

#: Of a virtual environment of its own: it wants another typer than the project.
GENERATOR = "openapi-python-client==0.29.1"
FOLDER = "NAS_OPENAPI_CLIENT"
DRIVER = Path(__file__).with_name("generated_driver.py")


def run(*words: object, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NAS_"))}
    done = subprocess.run(
        [str(word) for word in words],
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def generator() -> Path:
    """Folder of programs of the generator's environment, made once and kept."""
    folder = Path(os.environ.get(FOLDER, Path("~/.cache/subnas/openapi-client").expanduser()))
    programs = folder / "bin"
    if not (programs / "openapi-python-client").exists():
        run(sys.executable, "-m", "venv", "--clear", folder)
        run(programs / "python", "-m", "pip", "install", "--quiet", GENERATOR)
    return programs


@pytest.fixture(scope="module")
def generated(generator: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package `generated`."""
    folder = tmp_path_factory.mktemp("openapi")
    document = folder / "openapi.json"
    document.write_text(json.dumps(describe(create_app(load_settings()))))
    program = generator / "openapi-python-client"
    run(program, "generate", "--path", document, "--output-path", folder / "generated", "--meta", "none")
    return folder


@pytest.fixture(scope="module")
def driven(generator, generated, served, tiny_search) -> dict:
    """What the generated client saw; the story is in generated_driver.py."""
    search = json.dumps(tiny_search | {"name": "generated"})
    words = (generator / "python", DRIVER, served.url, search)
    return json.loads(run(*words, PYTHONPATH=str(generated), NAS_TOKEN=served.operator))


def test_every_operation_with_a_json_answer_was_generated(generated):
    made = {path.stem for path in generated.glob("generated/api/*/*.py")}
    assert {"submit_job", "list_trials", "select_trial", "submit_export", "put_target"} <= made


def test_studies_are_listed(driven):
    assert "tiny" in driven["studies"]


def test_a_search_is_driven_to_its_end(driven):
    assert driven["job"]["status"] == "completed"
    assert driven["job"]["progress"] == {"done": 12, "total": 12}


def test_a_selection_and_its_refusal_are_typed(driven):
    assert driven["best"]["is_feasible"] is True
    assert (driven["refusal"]["status"], driven["refusal"]["type"]) == (409, "/problems/infeasible")
    assert driven["refusal"]["binding"] == "num_parameters <= 10"


def test_the_exported_weights_arrive_whole(driven):
    file = driven["weights"]
    assert (len(bytes.fromhex(file["sha256"])), file["downloaded_sha256"]) == (32, file["sha256"])
