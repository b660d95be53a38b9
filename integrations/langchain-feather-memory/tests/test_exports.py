from __future__ import annotations

import ast
from pathlib import Path

import langchain_feather_memory

PACKAGE = Path(langchain_feather_memory.__file__).parent


def test_all_names_what_the_package_exports():
    assert langchain_feather_memory.__all__ == sorted(langchain_feather_memory.__all__)
    for name in langchain_feather_memory.__all__:
        assert getattr(langchain_feather_memory, name)


def test_only_top_level_names_of_feather_memory_and_langchain_core_are_imported():
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                module = node.module or ""
                assert not module.startswith("feather_memory."), (path.name, module)
                assert module.split(".")[0] not in {"langchain", "langchain_community"}
