"""T5, T7, T15: what our own code never does, read from its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("nas", "workers", "storage", "search_spaces")


@cache
def _trees() -> dict[str, ast.Module]:
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in files}


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield _dotted(node.func), node


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((word.value for word in call.keywords if word.arg == name), None)


def _is_constant(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _torch_load(tree: ast.AST) -> bool:
    return any(name in ("torch.load", "numpy.load", "joblib.load") for name, _ in _calls(tree))


def _pickle(tree: ast.AST) -> bool:
    modules = {"pickle", "cPickle", "dill", "shelve", "marshal", "joblib", "cloudpickle"}
    return any(modules & set(name.split(".")) for name in _imports(tree))


def _pickled_arrays(tree: ast.AST) -> bool:
    return any(
        name in ("np.load", "np.save", "np.savez") and not _is_constant(_keyword(call, "allow_pickle"), False)
        for name, call in _calls(tree)
    )


def _full_weights(tree: ast.AST) -> bool:
    return any(_is_constant(_keyword(call, "weights_only"), False) for _, call in _calls(tree))


def _remote_code(tree: ast.AST) -> bool:
    """A trust in remote code that is not the word False."""
    return any(
        (trust := _keyword(call, "trust_remote_code")) is not None and not _is_constant(trust, False)
        for _, call in _calls(tree)
    )


def _unsafe_weights(tree: ast.AST) -> bool:
    """A model loaded without `use_safetensors=True`; tokenizers and configs have no weights."""
    return any(
        name.endswith(".from_pretrained")
        and not any(part in name for part in ("Config", "Tokenizer", "Supernet"))
        and not _is_constant(_keyword(call, "use_safetensors"), True)
        for name, call in _calls(tree)
    )


def _run_text(tree: ast.AST) -> bool:
    return any(name in ("eval", "exec", "compile", "__import__") for name, _ in _calls(tree))


def _shell(tree: ast.AST) -> bool:
    return any(
        name in ("os.system", "os.popen", "subprocess.getoutput")
        or _is_constant(_keyword(call, "shell"), True)
        for name, call in _calls(tree)
    )


def _yaml_load(tree: ast.AST) -> bool:
    return any(name in ("yaml.load", "yaml.unsafe_load", "yaml.full_load") for name, _ in _calls(tree))


def _formatted_sql(tree: ast.AST) -> bool:
    """SQL made of anything but a literal."""
    sql = ("text", "sa.text", "sqlalchemy.text", "exec_driver_sql")
    return any(
        (name in sql or name.endswith(".exec_driver_sql"))
        and (not call.args or not isinstance(call.args[0], ast.Constant))
        for name, call in _calls(tree)
    )


RULES: dict[str, tuple[Callable[[ast.AST], bool], dict[str, str]]] = {
    "unpickles a file": (_torch_load, {}),
    "imports a pickler": (
        _pickle,
        {
            "workers/actor.py": "Ray's own serialisation: payloads go to workers, results come back",
            "workers/ray_pool.py": "the same, at the driver's end; workers are trusted as the operator is",
            "workers/ray_train.py": "the function that Ray Train's processes run",
        },
    ),
    "reads or writes pickled arrays": (_pickled_arrays, {}),
    "loads whole objects as weights": (_full_weights, {}),
    "trusts remote code": (
        _remote_code,
        {
            "nas/export/reloading.py": "an exported folder whose modelling file is the one that we write, "
            "which verify_folder has compared word for word; in a process of its own",
        },
    ),
    "loads weights that may be pickled": (_unsafe_weights, {}),
    "runs text": (_run_text, {}),
    "starts a shell": (_shell, {}),
    "constructs objects from YAML": (
        _yaml_load,
        {"nas/evaluation/lm_tasks.py": "with a SafeLoader of its own, which knows no constructors"},
    ),
}


def _offenders(rule: Callable[[ast.AST], bool], files: Callable[[str], bool] = bool) -> set[str]:
    return {name for name, tree in _trees().items() if files(name) and rule(tree)}


@pytest.mark.parametrize("name", RULES)
def test_no_file_breaks_a_rule_but_those_named_with_a_reason(name: str) -> None:
    rule, exceptions = RULES[name]
    assert _offenders(rule) == set(exceptions)


def test_storage_makes_no_sql_of_text_that_it_is_given() -> None:
    assert _offenders(_formatted_sql, lambda name: name.startswith("storage/")) == {
        "storage/migrations/versions/0005_accounts.py",  # of two constants of the module, the dialect's
    }


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (_torch_load, "torch.load(path)"),
        (_pickle, "from ray import cloudpickle"),
        (_pickled_arrays, "np.load(path)"),
        (_full_weights, "f(weights_only=False)"),
        (_remote_code, "f(trust_remote_code=flag)"),
        (_unsafe_weights, "AutoModel.from_pretrained(path)"),
        (_run_text, "eval('1')"),
        (_shell, "subprocess.run(x, shell=True)"),
        (_yaml_load, "yaml.load(x)"),
        (_formatted_sql, "text(f'SELECT {name}')"),
    ],
)
def test_each_rule_finds_what_it_is_for(rule: Callable[[ast.AST], bool], text: str) -> None:
    assert rule(ast.parse(text))
