"""docs/tasks.md names every task, and its snippets are valid."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest
import yaml

from nas.config import parse_config
from nas.tasks import TASKS

TEXT = (Path(__file__).parents[3] / "docs" / "tasks.md").read_text(encoding="utf-8")
BLOCKS = [(kind, body) for kind, body in re.findall(r"```(\w+)\n(.*?)```", TEXT, flags=re.DOTALL)]


@pytest.mark.parametrize("snippet", [body for kind, body in BLOCKS if kind == "yaml"])
def test_a_config_snippet_is_accepted(snippet: str) -> None:
    sections = yaml.safe_load(snippet)
    config = parse_config({"version": 1, "name": "docs", "objectives": ["min num_parameters"], **sections})
    assert config.model.task in TASKS


@pytest.mark.parametrize("snippet", [body for kind, body in BLOCKS if kind == "python"])
def test_a_python_snippet_calls_what_it_imports_with_known_arguments(snippet: str) -> None:
    import inspect

    tree = ast.parse(snippet)
    (imported,) = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    module = importlib.import_module(str(imported.module))
    functions = {alias.name: getattr(module, alias.name) for alias in imported.names}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert {call.func.id for call in calls if isinstance(call.func, ast.Name)} == set(functions)
    for call in calls:
        assert isinstance(call.func, ast.Name)
        arguments = {str(keyword.arg): None for keyword in call.keywords}
        inspect.signature(functions[call.func.id]).bind(*call.args, **arguments)


@pytest.mark.parametrize("name", list(TASKS))
def test_the_table_has_a_task_s_head_and_default_metric(name: str) -> None:
    (row,) = re.findall(rf"^\| `{name}` \|.*$", TEXT, flags=re.MULTILINE)
    task = TASKS[name]
    assert f"{task.direction} `{task.metric}`" in row
    assert f"`{task.auto_class}`" in row or name == "regression"
