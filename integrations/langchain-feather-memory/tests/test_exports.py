from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import langchain_feather_memory
import pytest

PACKAGE = Path(langchain_feather_memory.__file__).parent


def test_all_names_what_the_package_exports():
    assert langchain_feather_memory.__all__ == sorted(langchain_feather_memory.__all__)
    for name in langchain_feather_memory.__all__:
        assert getattr(langchain_feather_memory, name)


@pytest.mark.parametrize(
    ("name", "package", "extra", "modules"),
    [
        ("FeatherStore", "langgraph", "langgraph", ["langgraph.store.base", "stores", "_items"]),
        (
            "FeatherMemory",
            "langchain_classic",
            "classic",
            ["langchain_classic.base_memory", "memory"],
        ),
        (
            "FeatherMemoryMiddleware",
            "langchain",
            "agents",
            ["langchain.agents.middleware", "middleware"],
        ),
        ("memory_tools", "langchain", "agents", ["langchain.tools", "tools"]),
    ],
)
def test_a_missing_extra_names_what_to_install(monkeypatch, name, package, extra, modules):
    theirs, *ours = modules
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, theirs, None)
    for module in ours:
        monkeypatch.delitem(sys.modules, f"langchain_feather_memory.{module}", raising=False)

    with pytest.raises(ImportError, match=rf"pip install 'langchain-feather-memory\[{extra}\]'"):
        getattr(langchain_feather_memory, name)


def test_importing_the_package_imports_nothing_optional():
    loaded = "{'langgraph', 'langchain_classic', 'langchain'} & sys.modules.keys()"
    code = f"import sys, langchain_feather_memory; raise SystemExit(bool({loaded}))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_only_top_level_names_of_feather_memory_are_imported_and_langchain_for_agents_only():
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                module = node.module or ""
                assert not module.startswith("feather_memory."), (path.name, module)
                assert module.split(".")[0] != "langchain_community"
                if module.split(".")[0] == "langchain":  # what needs the extra `agents`
                    assert path.name in {"middleware.py", "tools.py"}
