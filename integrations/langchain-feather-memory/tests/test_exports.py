from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import typing
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


def sources():
    return [(path.name, ast.parse(path.read_text("utf-8"))) for path in PACKAGE.glob("*.py")]


def test_only_what_is_for_adapters_is_imported_and_langchain_for_agents_only():
    for name, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                module = node.module or ""
                if module.split(".")[0] == "feather_memory":
                    assert module in {"feather_memory", "feather_memory.agent"}, (name, module)
                assert module.split(".")[0] != "langchain_community"
                if module.split(".")[0] == "langchain":  # what needs the extra `agents`
                    assert name in {"_showing.py", "middleware.py", "tools.py"}


def test_type_checkers_are_told_of_every_export():
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text("utf-8"))
    told = [alias.asname for node in stub.body for alias in node.names]

    assert sorted(told) == langchain_feather_memory.__all__


def everything_annotated():
    """Our public classes and functions; what pydantic adds to a class is its own."""
    for name in langchain_feather_memory.__all__:
        value = getattr(langchain_feather_memory, name)
        yield name, value
        for inner, member in vars(value).items() if inspect.isclass(value) else ():
            function = getattr(member, "fget", getattr(member, "__func__", member))
            if inspect.isfunction(function) and function.__module__ == value.__module__:
                yield f"{name}.{inner}", function


@pytest.mark.parametrize("name", dict(everything_annotated()))
def test_every_annotation_resolves_at_run_time(name):
    value = dict(everything_annotated())[name]

    if inspect.isclass(value):  # its parents' are LangChain's, which do not all resolve
        inspect.get_annotations(value, eval_str=True)
    else:
        typing.get_type_hints(value, include_extras=True)
