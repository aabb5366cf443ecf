"""The locks of the container: the tested versions by hash, all that it needs and nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from itertools import product
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PLATFORMS = [
    {
        "implementation_name": "cpython",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }
    for machine, python in product(("x86_64", "aarch64"), ("3.11", "3.12", "3.13"))
]


@dataclass(frozen=True, kw_only=True)
class Pin:
    """An entry of a lock."""

    requirement: Requirement
    hashes: list[str]

    @property
    def version(self) -> str:
        return str(self.requirement.specifier).removeprefix("==")


def pins(lock: str) -> dict[str, Pin]:
    """The entries of a lock by canonical name; an entry that stands twice is an error."""
    lines = [line for line in (DEPLOY / lock).read_text().splitlines() if not line.startswith("#")]
    found: dict[str, Pin] = {}
    for entry in "\n".join(lines).replace("\\\n", " ").splitlines():
        text, *hashes = entry.split(" --hash=")
        pin = Pin(requirement=Requirement(text.strip()), hashes=[value.strip() for value in hashes])
        name = canonicalize_name(pin.requirement.name)
        assert name not in found, f"{name} stands twice in {lock}"
        found[name] = pin
    return found


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def container_extras() -> set[str]:
    """The extras of the project that `make lock` resolves."""
    found = re.search(r"addprefix --extra ,([a-z ]+)\)", (ROOT / "Makefile").read_text())
    assert found is not None
    return set(found[1].split())


def on_some_platform(requirement: Requirement, extra: str = "") -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**platform, "extra": extra}) for platform in PLATFORMS)


def declared(name: str, extras: set[str]) -> Iterator[Requirement]:
    """What a package and those of its extras ask for on a platform of the container."""
    if name == "subnas":
        optional = PROJECT["project"]["optional-dependencies"]
        lines = PROJECT["project"]["dependencies"] + [line for extra in extras for line in optional[extra]]
        yield from map(Requirement, lines)
        return
    for requirement in map(Requirement, metadata.requires(name) or []):
        if any(on_some_platform(requirement, extra) for extra in {"", *extras}):
            yield requirement


def needed() -> set[str]:
    """The names of all that our extras and the build of our wheel lead to, by what is installed here."""
    build = PROJECT["build-system"]["requires"]
    ahead = [Requirement(f"subnas[{','.join(container_extras())}]"), *map(Requirement, build)]
    seen: set[tuple[str, str]] = set()
    while ahead:
        requirement = ahead.pop()
        name = canonicalize_name(requirement.name)
        if fresh := {"", *requirement.extras} - {extra for known, extra in seen if known == name}:
            seen |= {(name, extra) for extra in fresh}
            ahead += declared(name, fresh - {""})
    return {name for name, _ in seen} - {"subnas"}


def test_the_lock_holds_what_the_container_needs_and_nothing_else() -> None:
    assert set(pins("requirements.lock")) == needed() - set(pins("torch.lock"))


def test_every_pin_is_the_version_that_is_tested() -> None:
    tested = constraints()
    locked = {name: pin.version for name, pin in pins("requirements.lock").items()}
    assert locked == {name: tested.get(name) for name in locked}
    assert pins("torch.lock")["torch"].version == tested["torch"]


@pytest.mark.parametrize("lock", ["requirements.lock", "torch.lock"])
def test_every_pin_is_exact_has_hashes_and_is_for_the_platforms_of_the_container(lock: str) -> None:
    for name, pin in pins(lock).items():
        assert re.fullmatch(r"==[^*,]+", str(pin.requirement.specifier)), name
        assert pin.requirement.url is None
        assert pin.hashes, name
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", value) for value in pin.hashes), name
        assert on_some_platform(pin.requirement), name


def test_parting_the_locks_again_changes_nothing(tmp_path: Path) -> None:
    awk = shutil.which("awk")
    assert awk is not None
    locks = {name: (DEPLOY / name).read_text() for name in ("torch.lock", "requirements.lock")}
    (tmp_path / "deploy").mkdir()
    (tmp_path / "packages.lock").write_text("".join(locks.values()))
    subprocess.run([awk, "-f", DEPLOY / "lock.awk", "packages.lock"], cwd=tmp_path, check=True, timeout=60)
    assert {name: (tmp_path / "deploy" / name).read_text() for name in locks} == locks


def test_the_locks_name_no_index() -> None:
    assert not any("://" in path.read_text() for path in DEPLOY.glob("*.lock"))


def test_the_image_installs_by_hash_all_but_torch_from_a_named_index_and_our_own_code() -> None:
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    installs = re.findall(r"pip install ([^;&\n]*)", text)
    by_hash = "--no-deps --require-hashes -r "
    assert {line.strip() for line in installs if "--index-url" not in line} == {
        f"{by_hash}torch.lock",
        f"{by_hash}requirements.lock",
        "--no-deps --no-index --no-build-isolation .",
    }
    (from_index,) = (line for line in installs if "--index-url" in line)
    (pattern,) = re.findall(r"grep -o '([^']*)' torch\.lock", from_index)
    (version,) = re.findall(pattern, (DEPLOY / "torch.lock").read_text(), re.MULTILINE)
    assert version == f"torch=={constraints()['torch']}"
    assert from_index.startswith('--no-deps --index-url "$TORCH_INDEX_URL"')
