"""The house: its rooms and their floors. A line of code keeps to its room's floor and trade."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import feather_memory

ROOT = Path(feather_memory.__file__).parent
ARCHITECTURE = Path(__file__).parents[1] / "docs" / "architecture.md"

# From the ground up. A file imports from its own room and from the floors below it, be it when it
# runs, inside a function, or for type checking alone.
FLOORS = [
    "errors types config",
    "checks progress display",
    "model",
    "filters",
    "truth",
    "index",
    "search",
    "write",
    "store",
    "tenants",
    "agent",
    "importers",
    "testing",
    "demo",
    "doors",
    "cli",
    "__init__ __main__",
]
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names.split()}
ROOMS = {"model", "filters", "truth", "index", "search", "write", "store", "tenants", "agent"}
OTHERS = {"testing", "demo", "cli", "importers", "embedders", "doors"}

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40  # without its docstring

FILES = sorted(ROOT.rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in FILES]


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> set[str]:
    """Dotted names of all that a file imports: at its top, inside functions, for type checking."""
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno} is a relative import"
            names.add(node.module)
            if (package := file_of(node.module)) is not None and package.stem == "__init__":
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def file_of(dotted: str) -> Path | None:
    """The file of one of our modules; None for anything else."""
    place = ROOT.parent / dotted.replace(".", "/")
    candidates = (place / "__init__.py", place.with_suffix(".py"))
    return next((path for path in candidates if path.exists()), None)


def needs(path: Path) -> set[Path]:
    """The files of ours that a file imports from. A package that only leads to one is not."""
    found = {name: file_of(name) for name in imported(path) if name.split(".")[0] == ROOT.name}
    files = {
        file
        for name, file in found.items()
        if file is not None and not any(other.startswith(f"{name}.") for other in found)
    }
    return files - {path}


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def circle_in(graph: dict[Path, set[Path]]) -> set[Path]:
    """What is left of a graph when all that leads nowhere round is taken away."""
    left = {file: set(others) & set(graph) for file, others in graph.items()}
    while free := [file for file, others in left.items() if not others]:
        for file in free:
            del left[file]
        for others in left.values():
            others.difference_update(free)
    return set(left)


def test_the_house_has_its_nine_rooms_and_nothing_lies_about():
    folders = {each.name for each in ROOT.iterdir() if any(each.glob("*.py"))}
    files = [each for each in ROOT.iterdir() if each.is_file()]

    assert folders >= ROOMS
    assert folders <= ROOMS | OTHERS
    assert len(files) <= 9, sorted(file.name for file in files)


def test_every_floor_is_that_of_something_and_everything_has_a_floor():
    assert {room_of(path) for path in FILES} == set(FLOOR_OF)


def test_every_room_has_a_heading_that_says_what_a_line_there_may_touch():
    text = ARCHITECTURE.read_text(encoding="utf-8")
    sections = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    said = {section.split("`")[1].rstrip("/"): section for section in sections if "`" in section}

    for room in ROOMS:
        assert "may touch" in " ".join(said[room].split()), room


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_imports_go_down_the_house(path):
    own = room_of(path)
    for other in map(room_of, needs(path)):
        assert other == own or FLOOR_OF[other] < FLOOR_OF[own], f"{own} may not import {other}"


def test_no_imports_go_round_in_a_circle():
    assert circle_in({path: needs(path) for path in FILES}) == set()


def test_a_circle_would_be_found():
    """The negative control: one import for type checking alone closes it."""
    one, two, three = Path("one"), Path("two"), Path("three")

    assert circle_in({one: {two}, two: {one}, three: {one}}) >= {one, two}
    assert circle_in({one: {two}, two: set(), three: {one}}) == set()


@pytest.mark.parametrize(
    ("library", "place"),
    [
        ("sqlite3", "truth/sqlite importers"),
        ("psycopg", "truth/postgres"),
        ("hnswlib", "index/hnsw.py"),
        ("pydantic", "importers cli doors"),
        ("mcp", "doors/mcp"),
        ("mcp_types", "doors/mcp"),
        ("anyio", "doors"),
        ("uvicorn", "doors/listening"),
        ("fastapi", "doors/service doors/window"),
        ("starlette", "doors/service doors/window"),
        ("httpx", "doors/client.py"),
        ("typer", "cli"),
        ("matplotlib", "display"),
        ("networkx", "display"),
        ("rich", "cli demo"),
    ],
)
def test_a_library_is_imported_in_its_own_place_only(library, place):
    allowed = tuple(str(ROOT / each) for each in place.split())
    users = [str(path) for path in FILES if library in top_levels(imported(path))]
    assert [user for user in users if not user.startswith(allowed)] == []


def top_levels(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def test_nothing_imports_a_network():
    network = {"socket", "ssl", "http", "urllib", "requests", "httpx", "ftplib", "smtplib"}
    for path in FILES:
        if path == ROOT / "doors" / "client.py" or path.parent == ROOT / "doors" / "listening":
            continue  # what they are for
        assert not network & (top_levels(imported(path)) - {"urllib"} | network_urllib(path))


def network_urllib(path: Path) -> set[str]:
    return {"urllib" for name in imported(path) if name.startswith("urllib.request")}


def test_only_the_store_reads_the_clock():
    """Durations may be measured anywhere; what time it is comes from the store's clock."""
    clocks = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today"}
    clocks |= {f"datetime.{name}" for name in clocks} | {"date.today", "time.localtime"}
    readers = {
        room_of(path)
        for path in FILES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in clocks
    }
    assert readers <= {"store", "tenants", "cli"}


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


def test_no_statement_numbers_its_parameters():
    """Python 3.12 takes `?1` for a name, and warns of it: they stand by order, or have names."""
    for path in FILES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.search(r"\?\d", node.value), f"{path.name}:{node.lineno}"


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
