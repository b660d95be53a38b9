"""The version stands in one place, and what says another is told before anything is built."""

import importlib.util
import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / ".ci" / "release.py"

pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="this is no clone")


@pytest.fixture
def release(tmp_path, monkeypatch):
    """The script, over a copy of what it reads and writes."""
    spec = importlib.util.spec_from_file_location("release", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for place, _ in module.PROJECTS.values():
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / place / "pyproject.toml", tmp_path / place)
    shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def test_all_distributions_are_of_one_version_and_the_changelog_tells_of_it(release):
    assert list(release.disagreements()) == []


def test_a_version_is_set_in_every_place_that_has_it(release, tmp_path):
    release.set_to("0.7.3")

    assert list(release.disagreements()) == ["the changelog does not tell of 0.7.3"]
    adapter = (
        tmp_path / release.PROJECTS["langchain_feather_memory"][0] / "pyproject.toml"
    ).read_text()
    assert '\nversion = "0.7.3"\n' in adapter
    assert '"feather-memory>=0.7,<0.8"' in adapter


def test_what_says_another_version_is_told(release, tmp_path):
    release.set_to("3.1.0")
    path = tmp_path / release.PROJECTS["llama_index_memory_feather"][0] / "pyproject.toml"
    text = path.read_text()
    path.write_text(text.replace('version = "3.1.0"', 'version = "9.9"').replace("<3.2", "<4"))

    told = list(release.disagreements())

    assert told[0] == "llama_index_memory_feather is of version 9.9, and the core of 3.1.0"
    assert told[1] == "llama_index_memory_feather wants a core from 3.1 to 4, and it is 3.1.0"


def made(release, folder):
    """Distributions as they should be, with nothing in their files."""
    for name, (_, package) in release.PROJECTS.items():
        stem = f"{name}-{release.version()}"
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
            for each in ("__init__.py", "py.typed"):
                archive.writestr(f"{package}{each}", "")
            archive.writestr(f"{stem}.dist-info/licenses/LICENSE", "")
        with tarfile.open(folder / f"{stem}.tar.gz", "w:gz") as tar:
            for each in ("PKG-INFO", "LICENSE", "README.md", "pyproject.toml"):
                tar.addfile(tarfile.TarInfo(f"{stem}/{each}"), io.BytesIO())
            tar.addfile(tarfile.TarInfo(f"{stem}/{package}__init__.py"), io.BytesIO())


def test_what_a_distribution_lacks_or_has_of_others_is_told(release, tmp_path):
    made(release, tmp_path)
    assert list(release.faults(tmp_path)) == []
    version = release.version()
    wheel = tmp_path / f"llama_index_memory_feather-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("llama_index/__init__.py", "")
    sdist = tmp_path / f"feather_memory-{version}.tar.gz"
    with tarfile.open(sdist, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo(f"feather_memory-{version}/integrations/a.py"), io.BytesIO())

    told = list(release.faults(tmp_path))

    assert f"{wheel.name}: llama_index/__init__.py is not its own" in told
    assert f"{sdist.name}: there is no LICENSE" in told
    assert f"{sdist.name}: integrations/a.py and 0 more are not its own" in told
