from __future__ import annotations

import ast
from pathlib import Path

import llama_index
import llama_index.memory.feather as package

ROOT = Path(package.__file__).parent


def test_the_namespaces_above_stay_shared_with_other_distributions():
    assert not hasattr(llama_index, "__file__") or llama_index.__file__ is None
    assert not (ROOT.parent / "__init__.py").exists()


def test_all_names_what_the_package_exports():
    assert package.__all__ == sorted(package.__all__)
    for name in package.__all__:
        assert getattr(package, name)


def test_only_top_level_names_of_feather_memory_are_imported():
    for path in ROOT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("feather_memory."), path.name
