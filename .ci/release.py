"""What a release would be: built, looked into, installed where nothing is, and tested there.

    python .ci/release.py                 # both of the following
    python .ci/release.py --only newest   # with the newest dependencies that there are
    python .ci/release.py --only lowest   # with the lowest that are declared
    python .ci/release.py --set 0.2.0     # the version, in every place that has it

The three distributions are built, sdist and wheel, each wheel from its sdist. They must be of the
version that the core's pyproject.toml says, which the changelog tells of, and hold what they
should. Then their wheels go into an environment of their own, and the tests run in a folder in
which there is no source; what is given after `--` goes to pytest. Takes a network, and nothing that
is installed here.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECTS = {
    "feather_memory": (".", "feather_memory/"),
    "langchain_feather_memory": (
        "integrations/langchain-feather-memory",
        "langchain_feather_memory/",
    ),
    "llama_index_memory_feather": (
        "integrations/llama-index-memory-feather",
        "llama_index/memory/feather/",
    ),
}
"""By the distribution's name: its folder here, and its package."""

EXTRAS = {"feather_memory": "[all]", "langchain_feather_memory": "[all]"}
RESOLUTIONS = {"newest": "highest", "lowest": "lowest-direct"}
STALE = [f"-Wdefault::{each}" for each in ("DeprecationWarning", "SyntaxWarning")]
"""The lowest of what is declared stand beside the newest of what these need in turn, and so use
what that is about to drop: none of ours to mend."""

COPIED = ("--link-mode", "copy")
"""nltk, which LlamaIndex splits texts by, reads no file that has a second name, in uv's cache."""

VERSION = re.compile(r'^version = "([^"]+)"$', re.MULTILINE)
OWN = re.compile(r"((?:langchain-)?feather-memory)(?:\[([^\]]*)\])?(?=$|[<>=])")
BOUND = re.compile(r"feather-memory>=([\d.]+),<([\d.]+)")


def declared() -> dict[str, str]:
    """The text of each project's pyproject.toml."""
    return {
        name: (ROOT / folder / "pyproject.toml").read_text("utf-8")
        for name, (folder, _) in PROJECTS.items()
    }


def version() -> str:
    """The one version: the core's."""
    found = VERSION.search(declared()["feather_memory"])
    assert found is not None
    return found[1]


def bounds(release: str) -> tuple[str, str]:
    """From which core on, and below which, the adapters of a release work: its minor versions."""
    major, minor, *_ = release.split(".")
    return f"{major}.{minor}", f"{major}.{int(minor) + 1}"


def set_to(release: str) -> None:
    """Write a version wherever it stands."""
    for name, text in declared().items():
        bound = "feather-memory>={},<{}".format(*bounds(release))
        changed = BOUND.sub(bound, VERSION.sub(f'version = "{release}"', text))
        (ROOT / PROJECTS[name][0] / "pyproject.toml").write_text(changed, "utf-8")


def disagreements() -> Iterator[str]:
    """What does not say the core's version, a sentence each."""
    release = version()
    for name, text in declared().items():
        said = VERSION.search(text)
        if said is None or said[1] != release:
            yield f"{name} is of version {said and said[1]}, and the core of {release}"
        for bound in BOUND.findall(text):
            if bound != bounds(release):
                yield f"{name} wants a core from {bound[0]} to {bound[1]}, and it is {release}"
    if f"\n## [{release}]" not in (ROOT / "CHANGELOG.md").read_text("utf-8"):
        yield f"the changelog does not tell of {release}"


def build(uv: Path, folder: Path) -> None:
    """All distributions, into a folder."""
    for place, _ in PROJECTS.values():
        run(uv, "build", "--quiet", "--out-dir", folder, ROOT / place)


def faults(folder: Path) -> Iterator[str]:
    """What is wrong with the distributions in a folder, a sentence each."""
    for name, (_, package) in PROJECTS.items():
        stem = f"{name}-{version()}"
        wheel, sdist = folder / f"{stem}-py3-none-any.whl", folder / f"{stem}.tar.gz"
        info = f"{stem}.dist-info/"
        with zipfile.ZipFile(wheel) as archive:
            held = archive.namelist()
        for each in (f"{info}licenses/LICENSE", f"{package}__init__.py", f"{package}py.typed"):
            if each not in held:
                yield f"{wheel.name}: there is no {each}"
        for each in held:
            if not each.startswith((package, info)):
                yield f"{wheel.name}: {each} is not its own"
        with tarfile.open(sdist) as tar:
            sources = {each.partition("/")[2] for each in tar.getnames()}
        for each in ("PKG-INFO", "LICENSE", "README.md", "pyproject.toml", f"{package}__init__.py"):
            if each not in sources:
                yield f"{sdist.name}: there is no {each}"
        if strangers := [each for each in sources if each.startswith("integrations/")]:
            yield f"{sdist.name}: {strangers[0]} and {len(strangers) - 1} more are not its own"


def requirements() -> Iterator[str]:
    """What the distributions need of others: named, for the lowest is sought of what is."""
    for name, text in declared().items():
        project = tomllib.loads(text)["project"]
        extras = project.get("optional-dependencies", {})
        waiting = [*project["dependencies"], *(extras.get("all", ()) if name in EXTRAS else ())]
        while waiting:
            each = waiting.pop()
            own = OWN.match(each)
            if own is None:
                yield each
            elif own[1] == project["name"]:
                waiting += (one for extra in own[2].split(",") for one in extras[extra])


def install(uv: Path, python: Path, wheels: Path, resolution: str) -> None:
    """The wheels, and what their tests need beside the dependencies that were chosen."""
    wanted = [f"{next(wheels.glob(f'{name}-*.whl'))}{EXTRAS.get(name, '')}" for name in PROJECTS]
    pip = (uv, "pip", "install", "--quiet", "--python", python, "--find-links", wheels, *COPIED)
    run(*pip, "--resolution", RESOLUTIONS[resolution], *wanted, *requirements())
    frozen = run(uv, "pip", "freeze", "--python", python)
    chosen = wheels / f"{resolution}.txt"
    chosen.write_text("".join(f"{each}\n" for each in frozen.splitlines() if " @ " not in each))
    groups = [f"{ROOT / place}/pyproject.toml:test" for place, _ in [*PROJECTS.values()][1:]]
    tools = [f"{ROOT}/pyproject.toml:dev", *groups]
    run(*pip, "--constraint", chosen, *(word for each in tools for word in ("--group", each)))
    shown = [each for each in frozen.splitlines() if re.match(r"numpy|pydantic=|lang|llama", each)]
    print(f"{resolution}: {', '.join(shown)}", flush=True)


def lay_out(folder: Path) -> None:
    """The repository without what the wheels have: tests, documents, notebooks."""
    packages = tuple(
        f"{place}/{package}".removeprefix("./") for place, package in PROJECTS.values()
    )
    namespace = "integrations/llama-index-memory-feather/llama_index/"
    for name in run("git", "ls-files", cwd=ROOT).splitlines():
        if not name.startswith((*packages, namespace)):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())


def test(python: Path, folder: Path, given: list[str]) -> bool:
    """Run the tests in a folder, with what is given to pytest; whether all passed."""
    passed = True
    for place, _ in PROJECTS.values():
        tests = "tests" if place == "." else place
        words = [
            python,
            "-m",
            "pytest",
            "-q",
            "-m",
            "not long and not browser",
            "-p",
            "no:cacheprovider",
            tests,
        ]
        print(f"testing {place}", flush=True)
        passed &= not subprocess.run([*map(str, words), *given], cwd=folder, check=False).returncode
    return passed


def run(*words: object, cwd: Path | None = None) -> str:
    """What a command says; it has to succeed."""
    done = subprocess.run(
        [*map(str, words)], cwd=cwd, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def main() -> None:
    """Do what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=RESOLUTIONS)
    parser.add_argument("--set", metavar="VERSION")
    parser.add_argument("pytest", nargs="*", help="given to pytest, after --")
    asked = parser.parse_args()
    if asked.set:
        set_to(asked.set)
        return
    if told := [*disagreements()]:
        sys.exit("\n".join(told))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv.create(folder / "tools", with_pip=True)
        run(folder / "tools/bin/python", "-m", "pip", "install", "--quiet", "uv")
        uv, built = folder / "tools/bin/uv", folder / "built"
        build(uv, built)
        if told := [*faults(built)]:
            sys.exit("\n".join(told))
        print("built:", ", ".join(sorted(each.name for each in built.glob("*[lz]"))), flush=True)
        lay_out(folder / "there")
        results = {}
        for resolution in [asked.only] if asked.only else RESOLUTIONS:
            python = folder / resolution / "bin/python"
            venv.create(folder / resolution)
            install(uv, python, built, resolution)
            given = [*(STALE if resolution == "lowest" else ()), *asked.pytest]
            results[resolution] = test(python, folder / "there", given)
        print({name: "passed" if passed else "FAILED" for name, passed in results.items()})
        sys.exit(not all(results.values()))


if __name__ == "__main__":
    main()
