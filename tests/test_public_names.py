"""What `feather_memory` exposes is what it says it exposes."""

from __future__ import annotations

import importlib.metadata
import inspect
import subprocess
import sys
import types
from pathlib import Path

import pytest

import feather_memory
from feather_memory import agent, errors

EXPOSED = {
    name
    for name, value in vars(feather_memory).items()
    if not name.startswith("_") and not isinstance(value, types.ModuleType)
}


def test_the_list_of_names_is_sorted_and_without_repeats():
    assert feather_memory.__all__ == sorted(set(feather_memory.__all__))


def test_the_list_of_names_is_what_the_package_exposes():
    assert set(feather_memory.__all__) >= EXPOSED
    for name in feather_memory.__all__:
        assert getattr(feather_memory, name) is not None


def test_the_names_of_the_design_are_there():
    design = (
        "Store Memory Edge EdgeType Hit Score ContextChain Scoring Signal SignalKind "
        "EngagementSignals compute_importance F FeatherError"
    )
    assert set(design.split()) <= set(feather_memory.__all__)


def test_every_error_is_exposed_and_has_our_parent():
    assert errors.__all__ == sorted(errors.__all__)
    defined = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, Exception)
    }
    assert defined == set(errors.__all__)
    assert defined <= set(feather_memory.__all__)
    assert all(issubclass(getattr(errors, name), errors.FeatherError) for name in defined)


@pytest.mark.parametrize("name", feather_memory.__all__)
def test_every_public_class_and_function_says_what_it_is(name):
    value = getattr(feather_memory, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert inspect.getdoc(value), name


VERBS = """
    add add_many backup check close context_chain edges feedback forget get get_many history
    iterate latest link nearest open path plumbing recall reembed restore search signal signals
    stats suggest_supersedes supersede tenant transaction unfeedback unlink unsignal unsupersede
    update why_not
""".split()  # noqa: SIM905  a list of words reads as text


def test_a_store_has_these_names_and_no_others(tmp_path):
    """At most 36. What adapters need stands behind one of them, `plumbing`."""
    assert [name for name in dir(feather_memory.Store) if not name.startswith("_")] == VERBS
    with feather_memory.Store.open(tmp_path / "a.feather") as store:
        named = {name for name in dir(store) if not name.startswith("_")}
        assert named == set(VERBS)
        assert len(named) <= 36


def test_a_store_that_is_called_says_how_it_is_opened():
    with pytest.raises(TypeError, match=r"Store\.open\('a\.feather', …\)"):
        feather_memory.Store("a.feather")
    with pytest.raises(TypeError, match=r"Store\.open\('a\.feather', …\)"):
        feather_memory.Store("a.feather", embedder=len)
    with pytest.raises(TypeError, match=r"Store\.open\(path, …\)"):
        feather_memory.Store()


def test_no_public_verb_takes_whatever_it_is_given():
    """Options are spelled, or those of a typed dict."""
    for kind in (feather_memory.Store, feather_memory.TenantPool, feather_memory.ContextLayers):
        for name, verb in inspect.getmembers(kind, callable):
            if name.startswith("_"):
                continue
            for parameter in inspect.signature(verb).parameters.values():
                if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                    assert "Unpack[" in parameter.annotation, f"{kind.__name__}.{name}"


def test_the_version_is_that_of_the_distribution():
    assert feather_memory.__version__ == importlib.metadata.version("feather-memory")
    with pytest.raises(AttributeError, match="no attribute 'versions'"):
        _ = feather_memory.versions


def test_every_public_verb_of_a_store_says_what_it_does():
    for name, value in inspect.getmembers(feather_memory.Store):
        if not name.startswith("_") and callable(value):
            assert inspect.getdoc(value), name


def test_the_package_is_marked_as_typed():
    assert (Path(feather_memory.__file__).parent / "py.typed").exists()


def test_what_adapters_import_is_listed_and_says_what_it_is():
    exposed = {
        name
        for name, value in vars(agent).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert set(agent.__all__) == exposed
    for name in agent.__all__:
        value = getattr(agent, name)
        if inspect.isfunction(value) or (inspect.isclass(value) and "feather" in value.__module__):
            assert inspect.getdoc(value), name


def test_the_room_of_adapters_is_imported_by_adapters_alone():
    code = "import sys, feather_memory; assert 'feather_memory.agent' not in sys.modules"

    subprocess.run([sys.executable, "-c", code], check=True)
