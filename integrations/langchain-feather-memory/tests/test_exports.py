from __future__ import annotations

import ast
import sys
from pathlib import Path

import langchain_feather_memory
import pytest

PACKAGE = Path(langchain_feather_memory.__file__).parent


def test_all_names_what_the_package_exports():
    assert langchain_feather_memory.__all__ == sorted(langchain_feather_memory.__all__)
    for name in langchain_feather_memory.__all__:
        assert getattr(langchain_feather_memory, name)


def test_a_missing_extra_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "langgraph", None)
    monkeypatch.setitem(sys.modules, "langgraph.store.base", None)
    for module in ("stores", "_items"):
        monkeypatch.delitem(sys.modules, f"langchain_feather_memory.{module}", raising=False)

    with pytest.raises(ImportError, match=r"pip install 'langchain-feather-memory\[langgraph\]'"):
        _ = langchain_feather_memory.FeatherStore


def test_only_top_level_names_of_feather_memory_and_langchain_core_are_imported():
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                module = node.module or ""
                assert not module.startswith("feather_memory."), (path.name, module)
                assert module.split(".")[0] not in {"langchain", "langchain_community"}
