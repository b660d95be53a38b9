"""Every notebook runs from its first cell to its last, and is stored without its outputs."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
for needed in ("nbclient", "ipykernel", "matplotlib"):
    pytest.importorskip(needed)

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECONDS = 60

# In a process of its own: a kernel's client leaves sockets behind, and here warnings are errors.
EXECUTE = """
import sys, nbclient, nbformat
source, target, folder = sys.argv[1:]
notebook = nbformat.read(source, as_version=4)
client = nbclient.NotebookClient(
    notebook, kernel_name="python3", timeout=60, allow_errors=True,
    resources={"metadata": {"path": folder}},
)
client.execute()
nbformat.write(notebook, target)
"""


# What is not installed, as far as anybody who looks for it can see.
WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(["ipywidgets", "model2vec", "static_model"]))
"""


@pytest.fixture(scope="session")
def drawing(tmp_path_factory):
    """Where matplotlib keeps what fonts there are: it takes seconds to look, once for all."""
    return tmp_path_factory.mktemp("matplotlib")


def executed(path, tmp_path, drawing):
    home = {  # nothing of the user's is read or written, and the kernel is this interpreter
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "JUPYTER_PREFER_ENV_PATH": "1",
        "MPLCONFIGDIR": str(drawing),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    for beside in path.parent.iterdir():
        if beside.suffix in {".py", ".json"}:
            shutil.copy(beside, tmp_path)
    target = tmp_path / path.name
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, path, target, tmp_path],
        env={**os.environ, **home},
        capture_output=True,
        text=True,
        timeout=2 * SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return nbformat.read(target, as_version=4)


ADVICE = re.compile(r"\S*tqdm\S*: TqdmWarning: IProgress not found.*\n.*\n")
"""What tqdm, which a model's library imports, says where the extra with widgets is missing."""


def test_there_are_notebooks():
    assert NOTEBOOKS


def check_that_it_runs(path, tmp_path, drawing):
    start = time.monotonic()

    notebook = executed(path, tmp_path, drawing)

    assert time.monotonic() - start < SECONDS
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    assert outputs
    errors = [out for out in outputs if out.output_type == "error"]
    assert not errors, "\n".join(errors[0].traceback)
    said = [out.text for out in outputs if out.get("name") == "stderr"]
    assert [text for text in said if not ADVICE.fullmatch(text)] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_from_top_to_bottom_within_a_minute(path, tmp_path, drawing):
    check_that_it_runs(path, tmp_path, drawing)


@pytest.mark.long
@pytest.mark.parametrize("path", NOTEBOOKS[:2], ids=lambda path: path.name)
def test_a_notebook_does_without_what_is_optional(path, tmp_path, drawing):
    (tmp_path / "sitecustomize.py").write_text(WITHOUT)

    check_that_it_runs(path, tmp_path, drawing)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_stored_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)

    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in cells] == [[]] * len(cells)
    assert [cell.execution_count for cell in cells] == [None] * len(cells)


WARM_START = """
from feather_memory import TenantPool
with TenantPool("memories") as pool:
    for name in "abc":
        pool.get(name).add("x")
    report = pool.warm(list("abc"), progress=True)
"""


def test_a_bar_in_a_notebook_is_one_output_that_is_drawn_again(tmp_path, drawing):
    """On stderr it would stand there in red, a line for each drawing."""
    path = tmp_path / "warm.ipynb"
    cell = nbformat.v4.new_code_cell(WARM_START)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)

    notebook = executed(path, tmp_path, drawing)

    (output,) = notebook.cells[0].outputs
    assert output.output_type == "display_data"
    assert output.data["text/html"].startswith("warming <progress ")
    assert output.data["text/html"].endswith('value="3" max="3"></progress> 3 of 3')
