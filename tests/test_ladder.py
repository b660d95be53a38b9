"""The ladder: a module imports only from rungs below its own, and keeps to its trade."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import feather_memory

ROOT = Path(feather_memory.__file__).parent

# From the ground up. A module imports only from lines above its own in this list, or from a
# module named before it in its line. Imports for type checking alone are free.
LADDER = [
    "errors types config",
    "display",
    "model",
    "progress scoring validity signals merge",
    "filter_values filters filter_parse filter_sql chatlog",
    "topk index snapshot hnsw approximate",
    "db",
    "drafts embedding tenants",
    "replica graph ranking",
    "keeping reading",
    "writing auditing feedback",
    "readable searchable shelf",
    "engagement",
    "store",
    "reports layers seats pool",
    "agent",
    "testing",
    "demo",
    "cli",
    "__init__ __main__",
]
RUNGS = {name: rung for rung, name in enumerate(" ".join(LADDER).split())}

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40  # without its docstring

FILES = sorted(ROOT.rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in FILES]


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def at_runtime(tree: ast.AST) -> list[ast.stmt]:
    """Every import statement but those under `if TYPE_CHECKING`."""
    found: list[ast.stmt] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.append(node)
        found += at_runtime(node)
    return found


def imported(path: Path) -> set[str]:
    """Dotted names of what a file imports when it runs."""
    names: set[str] = set()
    for statement in at_runtime(parsed(path)):
        if isinstance(statement, ast.Import):
            names |= {alias.name for alias in statement.names}
        else:
            assert statement.level == 0, f"{path.name}:{statement.lineno} is a relative import"
            names.add(statement.module)
            if statement.module == "feather_memory" or is_package(statement.module):
                names |= {f"{statement.module}.{alias.name}" for alias in statement.names}
    return names


def is_package(dotted: str) -> bool:
    return (ROOT.parent / dotted.replace(".", "/") / "__init__.py").exists()


def is_module(dotted: str) -> bool:
    return is_package(dotted) or (ROOT.parent / (dotted.replace(".", "/") + ".py")).exists()


def rung_name(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def test_every_module_has_a_rung():
    assert {rung_name(path) for path in FILES} <= set(RUNGS)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_imports_go_down_the_ladder(path):
    own = rung_name(path)
    ours = {name for name in imported(path) if name.startswith("feather_memory.")}
    for name in filter(is_module, ours):
        other = name.split(".")[1]
        assert other == own or RUNGS[other] < RUNGS[own], f"{own} may not import {name}"
    if own != "__main__":
        assert "feather_memory" not in imported(path) or ours, "import what is meant"


@pytest.mark.parametrize("package", [name for name in RUNGS if (ROOT / name).is_dir()])
def test_inside_a_package_no_imports_go_round_in_a_circle(package):
    files = {path.stem: path for path in (ROOT / package).glob("*.py")}
    prefix = f"feather_memory.{package}."
    needs = {
        stem: {
            name.removeprefix(prefix).split(".")[0]
            for name in imported(path)
            if name.startswith(prefix)
        }
        & set(files) - {stem}
        for stem, path in files.items()
    }
    while free := [stem for stem, others in needs.items() if not others]:
        for stem in free:
            del needs[stem]
        for others in needs.values():
            others.difference_update(free)
    assert needs == {}


@pytest.mark.parametrize(
    ("library", "place"),
    [
        ("sqlite3", "db"),
        ("hnswlib", "hnsw"),
        ("pydantic", "chatlog cli"),
        ("typer", "cli"),
        ("matplotlib", "display"),
        ("networkx", "display"),
        ("rich", "cli demo"),
    ],
)
def test_a_library_is_imported_in_its_own_place_only(library, place):
    users = {rung_name(path) for path in FILES if library in top_levels(imported(path))}
    assert users <= set(place.split())


def top_levels(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def test_nothing_imports_a_network():
    network = {"socket", "ssl", "http", "urllib", "requests", "httpx", "ftplib", "smtplib"}
    for path in FILES:
        assert not network & (top_levels(imported(path)) - {"urllib"} | network_urllib(path))


def network_urllib(path: Path) -> set[str]:
    return {"urllib" for name in imported(path) if name.startswith("urllib.request")}


def test_only_the_store_reads_the_clock():
    """Durations may be measured anywhere; what time it is comes from the store's clock."""
    clocks = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today"}
    clocks |= {f"datetime.{name}" for name in clocks} | {"date.today", "time.localtime"}
    readers = {
        rung_name(path)
        for path in FILES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in clocks
    }
    assert readers <= {"store", "pool", "cli"}


def test_no_module_changes_what_everybody_shares():
    """No seeds, no handlers, no warnings filters, no environment."""
    shared = ("random.seed", "np.random.seed", "logging.basicConfig", "warnings.filterwarnings",
              "warnings.simplefilter", "os.environ", "os.chdir", "np.seterr")  # fmt: skip
    for path in FILES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Attribute):
                assert ast.unparse(node) not in shared, f"{path.name}:{node.lineno}"


def test_no_except_swallows_everything():
    """It raises again, the same or one of ours."""
    for path in FILES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ExceptHandler):
                caught = "" if node.type is None else ast.unparse(node.type)
                reraises = isinstance(node.body[-1], ast.Raise)
                broad = caught in {"", "Exception", "BaseException"}
                assert not broad or reraises, f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_file_can_be_read_in_one_sitting(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_FILE_LINES


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_every_file_says_what_it_is_and_no_function_is_long(path):
    tree = parsed(path)
    assert ast.get_docstring(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert lines <= MAX_FUNCTION_LINES, f"{node.name} has {lines} lines"
