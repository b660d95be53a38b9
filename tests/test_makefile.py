"""The first commands of a newcomer: what they make, and that they make no more."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


@pytest.fixture
def clone(tmp_path):
    """A fresh clone, as far as make looks at it."""
    folder = tmp_path / "clone"
    for name in ("Makefile", "pyproject.toml"):
        folder.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for project in ROOT.glob("integrations/*/pyproject.toml"):
        target = folder / project.relative_to(ROOT)
        target.parent.mkdir(parents=True)
        shutil.copy(project, target)
    return folder


def planned(clone, target, *, uv=False):
    """What make would run, where only these programs are found."""
    programs = clone.parent / "programs"
    programs.mkdir(exist_ok=True)
    for name in ("make", "sh", "awk"):
        if not (programs / name).exists():
            (programs / name).symlink_to(shutil.which(name))
    if uv:
        (programs / "uv").write_text("#!/bin/sh\n")
        (programs / "uv").chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "-n", target],
        cwd=clone,
        env={**environment, "PATH": str(programs)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_demo_installs_what_it_needs_and_nothing_else(clone):
    plan = planned(clone, "demo")

    assert "-e '.[cli]'" in plan
    assert "integrations" not in plan
    assert "--group" not in plan
    assert plan.rstrip().endswith("feather-memory demo")


@pytest.mark.parametrize("target", ["test", "check"])
def test_tests_and_checks_install_everything_from_nothing(clone, target):
    plan = planned(clone, target)

    assert "-m venv .venv" in plan
    assert "-e 'integrations/langchain-feather-memory[all]'" in plan
    assert "-e integrations/llama-index-memory-feather" in plan
    assert "--group dev" in plan


def test_the_documentation_is_built_in_an_environment_of_its_own_without_the_project(clone):
    plan = planned(clone, "docs")

    assert "-m venv .docs/env" in plan
    assert "--group docs" in plan
    assert " -e " not in plan
    assert ".venv" not in plan


def test_uv_is_used_where_it_is_found_and_leaves_a_pip_for_the_rest(clone):
    plan = planned(clone, "demo", uv=True)

    assert "uv venv --quiet --seed" in plan
    assert "uv pip install" in plan
    assert "-m pip" not in plan


def test_what_is_installed_already_is_not_installed_again(clone):
    (clone / ".venv" / "bin").mkdir(parents=True)
    for stamp in (".demo", ".installed"):
        (clone / ".venv" / stamp).touch()

    assert planned(clone, "demo").strip() == ".venv/bin/feather-memory demo"
    assert "install" not in planned(clone, "check")
