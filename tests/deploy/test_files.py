"""The files of deploy/: linted, checked against schemas, and their scripts run. No image is built here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from benchmarks.chaos.postgres import PostgresServer
from nas.service.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
PROGRAMS = Path(sys.executable).parent


def run(*words: object, **arguments: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=240, check=False, **arguments
    )


def program(name: str) -> str:
    found = PROGRAMS / name
    if not found.exists():
        assert not os.environ.get("CI"), f"CI lints deploy/ with {name}; it is not installed"
        pytest.skip(f"{name} is not installed")
    return str(found)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_hadolint_finds_nothing_in_the_containerfile() -> None:
    done = run(program("hadolint"), DEPLOY / "Containerfile")
    assert (done.returncode, done.stdout) == (0, "")


def test_yamllint_finds_nothing() -> None:
    done = run(program("yamllint"), "-s", "-c", DEPLOY / ".yamllint", *sorted(DEPLOY.glob("*.yaml")))
    assert (done.returncode, done.stdout) == (0, "")


def test_the_compose_file_obeys_the_specification() -> None:
    checker = program("check-jsonschema")
    done = run(checker, "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_the_service_is_published_and_on_loopback_only(compose: dict[str, Any]) -> None:
    published = {name: service.get("ports", []) for name, service in compose["services"].items()}
    assert published["postgres"] == published["ray-head"] == []
    assert [port.split(":")[0] for port in published["service"]] == ["127.0.0.1"]


def test_database_and_cluster_have_networks_without_a_way_out(compose: dict[str, Any]) -> None:
    for name in ("postgres", "ray-head"):
        for network in compose["services"][name]["networks"]:
            assert compose["networks"][network]["internal"] is True


def test_the_evaluating_node_gets_no_database_credentials(compose: dict[str, Any]) -> None:
    head = compose["services"]["ray-head"]
    assert head["secrets"] == ["ray_token"]
    assert "database" not in head["networks"]
    assert not any("NAS_STORAGE" in name for name in head["environment"])


def test_every_service_is_read_only_and_has_a_health_check(compose: dict[str, Any]) -> None:
    image_has_one = "HEALTHCHECK" in (DEPLOY / "Containerfile").read_text()
    for name, service in compose["services"].items():
        assert service["read_only"] is True
        assert "no-new-privileges:true" in service["security_opt"]
        assert "healthcheck" in service or (name == "service" and image_has_one)


def test_secrets_are_files_and_no_value_stands_in_the_environment(compose: dict[str, Any]) -> None:
    assert all(set(secret) == {"file"} for secret in compose["secrets"].values())
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|TOKEN|STORAGE", name):
                assert value.startswith("/run/secrets/"), name


def test_the_environment_example_names_every_variable_and_no_secret(compose: dict[str, Any]) -> None:
    text = (DEPLOY / ".env.example").read_text()
    given = {line.partition("=")[0] for line in text.splitlines() if line and not line.startswith("#")}
    used = set(re.findall(r"\$\{([A-Z_]+)", (DEPLOY / "compose.yaml").read_text()))
    assert given == used
    assert not any(re.search("PASSWORD|SECRET|TOKEN", name) for name in given)


def test_the_image_runs_as_nobody_special() -> None:
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]


def test_the_example_of_settings_is_accepted() -> None:
    settings = load_settings(DEPLOY / "service.yaml")
    assert "127.0.0.1" in settings.hosts  # which the health check asks


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is installed here in place of ours."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    text = (DEPLOY / "nas.service").read_text()
    copy = tmp_path / "nas.service"
    copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE))
    return copy


def test_systemd_accepts_the_unit(unit: Path) -> None:
    done = run("systemd-analyze", "verify", unit)
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_rates_the_unit_as_little_exposed(unit: Path) -> None:
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=20", unit)
    if "Unknown" in done.stderr or "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot rate a file")
    assert done.returncode == 0, done.stdout[-600:]


def test_the_entrypoint_hands_the_url_of_a_file_to_its_program_only(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://nas:s3cr3t@db/nas\n")
    ray = tmp_path / "ray"
    ray.write_text('#!/bin/sh\necho "ray $*; storage=${NAS_STORAGE:-none}"\n')
    ray.chmod(0o755)
    done = run(
        DEPLOY / "entrypoint.sh",
        "sh",
        "-c",
        'echo "$NAS_STORAGE"',
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "NAS_STORAGE_FILE": str(tmp_path / "url"),
            "NAS_RAY_HEAD": "ray-head:6379",
        },
    )
    assert done.stdout == "postgresql://nas:s3cr3t@db/nas\n"
    assert done.stderr == "ray start --address ray-head:6379 --num-cpus 0; storage=none\n"


@pytest.mark.slow
def test_the_role_of_the_service_owns_its_database_and_nothing_else(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    with psycopg.connect(
        f"postgresql://nas@/postgres?host={postgres_server.folder}", autocommit=True
    ) as connection:
        connection.execute("CREATE ROLE administrator SUPERUSER LOGIN")
        with psycopg.connect(
            f"postgresql://administrator@/postgres?host={postgres_server.folder}"
        ) as administrator:
            administrator.execute("ALTER ROLE nas RENAME TO bootstrap")
    (tmp_path / "password").write_text('it\'s "odd"; \\ $HOME')
    done = run(
        DEPLOY / "postgres" / "10-role.sh",
        env={
            "PATH": os.environ["PATH"],
            "PGHOST": str(postgres_server.folder),
            "POSTGRES_USER": "administrator",
            "NAS_PASSWORD_FILE": str(tmp_path / "password"),
        },
    )
    assert (done.returncode, done.stderr) == (0, "")
    with psycopg.connect(f"postgresql://nas@/nas?host={postgres_server.folder}") as connection:
        rights = connection.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = 'nas'"
        ).fetchone()
        assert rights == (False, False, False)
        connection.execute("CREATE TABLE probe (id int)")
