from __future__ import annotations

import ast
import typing
from pathlib import Path
from types import FunctionType

import llama_index
import llama_index.memory.feather as package
import pytest

from feather_memory import ContextLayers

OURS = package.__name__
ROOT = Path(package.__file__).parent


def test_the_namespaces_above_stay_shared_with_other_distributions():
    assert not hasattr(llama_index, "__file__") or llama_index.__file__ is None
    assert not (ROOT.parent / "__init__.py").exists()


def test_all_names_what_the_package_exports():
    assert package.__all__ == sorted(package.__all__)
    for name in package.__all__:
        assert getattr(package, name)


def test_only_the_public_names_of_feather_memory_are_imported():
    for path in ROOT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [each.name for each in node.names] if isinstance(node, ast.Import) else []
            inner = {name for name in names if name.startswith("feather_memory.")}
            assert inner <= {"feather_memory.agent"}, path.name


def test_every_public_annotation_resolves():
    """Whoever builds a schema or a tool of a function asks for its types while it runs."""
    for name in package.__all__:
        public = getattr(package, name)
        members = vars(public).items() if isinstance(public, type) else [(name, public)]
        for member, value in members:
            function = getattr(value, "__func__", getattr(value, "fget", value))
            if isinstance(function, FunctionType) and function.__module__.startswith(OURS):
                assert typing.get_type_hints(function) is not None, (name, member)


@pytest.mark.parametrize(
    "kept_in_one_file",
    [package.FeatherVectorStore, package.FeatherKVStore, package.FeatherChatStore],
)
def test_what_is_kept_in_one_file_has_no_layers(store, kept_in_one_file):
    layers = ContextLayers(user=store)

    for wrong in ({"layers": layers}, {"store": layers}):
        with pytest.raises((ValueError, TypeError), match=r"(?i)layers|takes either"):
            kept_in_one_file(**wrong)
