"""What deepagents keeps in a store, on a FeatherStore and on LangGraph's own: the same files.

deepagents' sdist has no tests, so these are ours: its backend of files, sync and async.
"""

import json

import pytest
import standins
from deepagents.backends.store import StoreBackend

NAMESPACE = ("ada", "filesystem")
FILES = {
    "/notes/tea.md": "# Tea\n\nOolong, é, 日本\n",
    "/notes/coffee.md": "espresso\n",
    "/src/main.py": "print('tea')\n" * 50,
    "/empty.txt": "",
}


def shown(result):
    """What a result says, without the times that are the clock's."""

    def plain(value):
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if k not in {"created_at", "modified_at"}}
        if isinstance(value, list | tuple):
            return [plain(each) for each in value]
        return plain(vars(value)) if hasattr(value, "__dict__") else value

    return json.dumps(plain(result), sort_keys=True, default=repr)


def steps(backend):
    """Everything that an agent's file tools do, and what comes of it."""
    yield from (backend.write(path, text) for path, text in FILES.items())
    yield backend.write("/notes/tea.md", "# Tea\n\nSencha\n")
    yield backend.ls("/")
    yield backend.ls("/notes/")
    yield backend.read("/notes/tea.md")
    yield backend.read("/src/main.py", offset=40, limit=5)
    yield backend.read("/nothing")
    yield backend.edit("/notes/tea.md", "Sencha", "Gyokuro")
    yield backend.edit("/src/main.py", "tea", "mate", replace_all=True)
    yield backend.edit("/notes/tea.md", "not in it", "x")
    yield backend.grep("tea")
    yield backend.grep("mate", path="/src", glob="*.py")
    yield backend.glob("*.md")
    yield backend.glob("**/*.py", path="/src")
    yield backend.upload_files([("/a.bin", bytes(range(256))), ("/b.txt", b"plain")])
    yield backend.download_files(["/a.bin", "/b.txt", "/nothing"])
    yield backend.delete("/notes/tea.md")
    yield backend.ls("/notes/")


@pytest.mark.parametrize("kind", [standins.InMemory, standins.Original])
def test_files_are_written_and_read_as_they_were(kind):
    backend = StoreBackend(store=kind(), namespace=lambda _: NAMESPACE)
    for path, text in FILES.items():
        backend.write(path, text)

    for path, text in FILES.items():
        assert backend.read(path).file_data["content"].rstrip("\n") == text.rstrip("\n")


def test_every_file_tool_says_the_same_as_over_the_reference():
    ours = StoreBackend(store=standins.InMemory(), namespace=lambda _: NAMESPACE)
    reference = StoreBackend(store=standins.Original(), namespace=lambda _: NAMESPACE)

    for said, expected in zip(steps(ours), steps(reference), strict=True):
        assert shown(said) == shown(expected)


async def test_async_tools_and_more_files_than_a_page():
    """It reads a hundred at a time."""
    ours = StoreBackend(store=standins.InMemory(), namespace=lambda _: NAMESPACE)
    reference = StoreBackend(store=standins.Original(), namespace=lambda _: NAMESPACE)
    for backend in (ours, reference):
        for n in range(230):
            await backend.awrite(f"/many/{n:03}.md", f"tea {n}")
        await backend.aedit("/many/007.md", "tea", "coffee")
        await backend.adelete("/many/008.md")

    said, expected = [(await each.als("/many/")).entries for each in (ours, reference)]
    assert len(said) == 229
    assert sorted(map(shown, said)) == sorted(map(shown, expected))
    assert shown(await ours.aread("/many/007.md")) == shown(await reference.aread("/many/007.md"))


def test_two_users_have_files_of_their_own():
    store = standins.InMemory()
    ada, bob = (
        StoreBackend(store=store, namespace=lambda _, u=u: (u, "files")) for u in ("a", "b")
    )
    ada.write("/x.md", "hers")

    assert bob.read("/x.md").error is not None
    assert bob.ls("/").entries == []
