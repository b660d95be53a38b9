"""What people have is recognised by its content, and remembered as it was said."""

import contextlib
import gzip
import importlib.util
import io
import json
import shlex
import shutil
import sys
import tracemalloc
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace

import exports
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from feather_memory import MissingExtraError, ParameterError, Store
from feather_memory.cli import app
from feather_memory.importers import document, intake
from feather_memory.importers.document import Document, prefix
from feather_memory.importers.entries import Entry, Refused, Remark, Tie
from feather_memory.importers.registry import FORMATS, recognised
from feather_memory.importers.source import Source
from feather_memory.importers.times import day_first, parse_time
from feather_memory.write.named import load

# For each fixture: its format, and what of each memory is remembered.
KNOWN = {
    "chatgpt": ("chatgpt", [
        ("We deploy on Tuesdays", "c1", "user", 1_700_000_001.5),
        ("Noted: Tuesdays", "c1", "assistant", 1_700_000_003.0),
        ("My cat is called Miso", "c2", "user", 1_700_001_001.0),
    ]),
    "chatgpt_zip": ("chatgpt", [
        ("We deploy on Tuesdays", "c1", "user", 1_700_000_001.5),
        ("Noted: Tuesdays", "c1", "assistant", 1_700_000_003.0),
        ("My cat is called Miso", "c2", "user", 1_700_001_001.0),
    ]),
    "claude": ("claude", [
        ("I moved to Lisbon", "c", "user", "2024-05-01T10:00:00Z"),
        ("Nice!", "c", "assistant", "2024-05-01T10:00:09Z"),
    ]),
    "claude_code": ("claude-code", [
        ("Always run ruff before a commit", "s1", "user", "2025-03-01T09:00:00.123Z"),
        ("I will.", "s1", "assistant", "2025-03-01T09:00:00.123Z"),
    ]),
    "openai_lines": ("openai", [
        ("You help.", ..., "document", None),
        ("I am allergic to nuts", ..., "import", None),
        ("I will remember that", ..., "assistant", None),
        ("I am allergic to nuts", ..., "import", None),
        ("I will remember that", ..., "assistant", None),
    ]),
    "openai_array": ("openai", [
        ("You help.", ..., "document", None),
        ("I am allergic to nuts", ..., "import", None),
        ("I will remember that", ..., "assistant", None),
    ]),
    "sharegpt": ("sharegpt", [
        ("I play the cello", "x", "import", None), ("Lovely", "x", "assistant", None),
    ]),
    "mcp_memory": ("mcp-memory", [
        ("Ada (person)", None, "import", None),
        ("Ada: Likes tea", None, "import", None),
        ("Ada: Works on Larkspur", None, "import", None),
        ("Larkspur (project)", None, "import", None),
    ]),
    "slack": ("slack", [
        ("@bo see the page & tell #general", "slack:general", "import", 1_700_000_000.0001),
        ("Done", "slack:general", "import", 1_700_000_002),
    ]),
    "discord": ("discord", [
        ("Green tea at 80 degrees", "discord:c", "import", "2024-01-02T02:04:05.678Z"),
    ]),
    "discord_package": ("discord", [
        ("My bike is blue", "discord:42", "import", "2024-01-02T03:04:05Z"),
    ]),
    "telegram": ("telegram", [
        ("See this!", "telegram:9", "import", 1_672_567_200),
        ("Bo's sister is Cleo", "telegram:9", "import", "2023-01-01T10:01:00Z"),
    ]),
    "telegram_all": ("telegram", [
        ("See this!", "telegram:9", "import", 1_672_567_200),
        ("Bo's sister is Cleo", "telegram:9", "import", "2023-01-01T10:01:00Z"),
        ("See this!", "telegram:10", "import", 1_672_567_200),
        ("Bo's sister is Cleo", "telegram:10", "import", "2023-01-01T10:01:00Z"),
    ]),
    "messenger": ("messenger", [
        ("Café at nine", "messenger:inbox/bo_1", "import", 1_700_000_000.123),
    ]),
    "whatsapp": ("whatsapp", [
        ("The spare key is\nunder the blue pot", ..., "import", "2024-02-13T21:42:00Z"),
        ("Thanks", ..., "import", "2024-04-03T08:01:00Z"),
    ]),
    "whatsapp_zip": ("whatsapp", [
        ("The spare key is under the pot", "whatsapp:Bo", "import", "2024-02-13T21:41:05Z"),
    ]),
    "mbox": ("mbox", [
        ("Café\n\nWe meet at nine.\nFrom where? From home.", "<1@x.org>", "import", 1_700_000_000),
        ("Re: tea\n\nFine & good", "<1@x.org>", "import", 1_700_002_800),
    ]),
    "notes": ("markdown", [
        ("Larkspur\n\nA booking site. See Ada and Nowhere.", None, "import", "2024-05-01"),
        ("Ada\n\nLeads Larkspur.", None, "import", None),
        ("Ada: Tea\n\n" + ("Only green tea. " * 150).strip(), None, "import", None),
    ]),
    "langgraph": ("langgraph", [
        ("Ada likes tea", None, "import", "2024-02-03T04:05:06Z"),
        ("Ada is vegetarian", None, "import", "2024-02-03T04:05:06Z"),
    ]),
    "mem0_history": ("mem0-history", [
        ("Has a dog", None, "import", "2024-01-01T07:00:00Z"),
        ("Lives in Oslo", None, "import", "2024-01-01T07:00:00Z"),
        ("Lives in Lisbon", None, "import", "2024-02-01T07:00:00Z"),
    ]),
    "mem0": ("mem0", [("Likes pottery", None, "import", "2024-07-01T07:00:00Z")]),
    "locomo": ("locomo", [
        ("I adopted a puppy", "conv-1/session_1", "import", "2023-05-08T13:56:00Z"),
        ("Look [shares a cat]", "conv-1/session_1", "import", "2023-05-08T13:56:00Z"),
    ]),
    "longmemeval": ("longmemeval", [
        ("I graduated in Bergen", "q1/s9", "user", "2023-05-20T02:21:00Z"),
    ]),
    "jsonl": ("jsonl", [("Ada rows", None, "import", 1_700_000_000)]),
    "jsonl_gz": ("jsonl", [("Ada rows", None, "import", 1_700_000_000)]),
    "json_array": ("json", [("Ada rows", None, "import", "2023-05-08")]),
    "csv_table": ("csv", [("Ada rows", None, "import", "2023-12-31T10:00:00Z")]),
    "tsv_utf16": ("csv", [("Ada rows", None, "import", "2023-12-31")]),
}  # fmt: skip

OPTIONS = {"json_array": ["--text-field", "message.content"]}


def called(*arguments, code=0):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done


def everything(path):
    """All that a store keeps, as its own export has it, but for the time that it was last told."""
    return called("export", path).stdout.splitlines()[1:]


@pytest.mark.parametrize("name", KNOWN)
def test_what_people_have_is_recognised_and_remembered_and_again_changes_nothing(
    name, tmp_path, path
):
    format_, memories = KNOWN[name]
    place = getattr(exports, name)(tmp_path / "given")
    command = ["import", place, "--store", path, "--embedder", "none", *OPTIONS.get(name, ())]

    assert recognised(Source(place)).name == format_
    first = called(*command)
    kept = everything(path)
    again = called(*command)

    assert " 0 refused" in first.stdout
    assert again.stdout == first.stdout
    assert everything(path) == kept
    with Store.open(path) as store:
        found = {memory.id: memory for memory in store.iterate()}.values()
        assert len(found) == len(memories)
        for memory, (text, session, origin, time) in zip(
            sorted(found, key=lambda one: order(memories, one.text)),
            sorted(memories, key=lambda one: order(memories, one[0])),
            strict=True,
        ):
            assert (memory.text, memory.origin) == (text, origin)
            assert session is ... or memory.session in {session, *sessions(memories, text)}
            if time is not None:
                assert memory.valid_from.timestamp() == pytest.approx(moment(time), abs=1e-3)
        assert store.check() == []


def order(memories, text):
    return [one[0] for one in memories].index(text)


def sessions(memories, text):
    return {session for said, session, *_ in memories if said == text}


def moment(time):
    return time if isinstance(time, int | float) else (
        datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp()
    )  # fmt: skip


def test_at_least_22_formats_are_known():
    assert len({format_ for format_, _ in KNOWN.values()}) + 2 >= 22  # Chroma and feather-db below
    assert len(FORMATS) == len({each.name for each in FORMATS}) >= 22


def items_of(place, **options):
    source = Source(place, **options)
    return list(recognised(source).read(source))


def test_a_large_import_does_not_read_the_store_to_close_it(tmp_path, path, monkeypatch):
    """Of a store without vectors no derived file is written: then closing costs nothing."""
    monkeypatch.setattr("feather_memory.config.SNAPSHOT_ROWS", 10)
    place = exports.lines(
        tmp_path / "a.jsonl", [{"text": f"row {n}", "time": n} for n in range(50)]
    )

    def refuse(*_):
        pytest.fail("the arrays were read")

    monkeypatch.setattr("feather_memory.index.columns.Columns.sync", refuse)
    called("import", place, "--store", path, "--embedder", "none")

    monkeypatch.undo()
    with Store.open(path) as store:
        assert len(store) == 50
        assert store.check() == []


def test_the_current_branch_of_a_tree_is_remembered_and_no_other(tmp_path):
    texts = [item.record["text"] for item in items_of(exports.chatgpt(tmp_path))]

    assert "An answer that was asked for again" not in texts
    assert "Hidden" not in texts


def test_a_tree_that_goes_round_in_a_circle_ends(tmp_path):
    tree = json.loads(json.dumps(exports.CHATGPT))
    tree[0]["mapping"]["root"]["parent"] = "a2"

    assert len(items_of(exports.written(tmp_path / "c.json", tree))) == 3


def test_relations_become_edges_whichever_stands_first(tmp_path, path):
    called("import", exports.mcp_memory(tmp_path), "--store", path)

    with Store.open(path) as store:
        edges = {(edge.source, edge.type, edge.target) for edge in store.edges("entity:Ada")}
        assert ("entity:Ada", "works_on", "entity:Larkspur") in edges
        assert sum(kind == "part_of" for _, kind, _ in edges) == 2
        assert store.check() == []


def test_wikilinks_become_edges_and_front_matter_metadata(tmp_path, path):
    called("import", exports.notes(tmp_path), "--store", path)

    with Store.open(path) as store:
        note = store.get("Larkspur.md")
        assert note.metadata["tags"] == ["work", "web"]
        assert note.metadata["owner"] == "Ada"
        edges = {(edge.source, edge.type, edge.target) for edge in store.edges("Larkspur.md")}
        ada = "people/Ada.md"
        assert ("Larkspur.md", "references", ada) in edges
        assert (ada, "references", "Larkspur.md") in edges
        assert [edge.target for edge in store.edges(f"{ada}#Tea")] == [ada]
        assert store.check() == []


def test_updates_of_mem0_are_supersessions_and_its_deletes_an_end(tmp_path, path):
    called("import", exports.mem0_history(tmp_path), "--store", path)

    with Store.open(path) as store:
        assert store.search("lives in")[0].memory.text == "Lives in Lisbon"
        assert [m.text for m in store.history("m/2")] == ["Lives in Oslo", "Lives in Lisbon"]
        then = datetime(2024, 1, 15, tzinfo=UTC)
        assert store.search("lives in", as_of=then)[0].memory.text == "Lives in Oslo"
        assert "Has a dog" not in [hit.memory.text for hit in store.search("dog")]
        assert store.search("dog", as_of=then)[0].memory.text == "Has a dog"
        assert store.check() == []


# Formats that are read through the packages of others


@pytest.fixture
def chroma(monkeypatch):
    """Chroma's client, as far as it is called."""

    class Collection:
        name = "notes"

        def count(self):
            return 2

        def get(self, *, limit, offset, include):
            assert include == ["documents", "metadatas"]
            ids, texts = ["a", "b"], ["Ada rows", None]
            return {"ids": ids, "documents": texts, "metadatas": [{"n": 1}, None]}

    module = ModuleType("chromadb")
    module.config = SimpleNamespace(Settings=lambda **given: given)
    module.PersistentClient = lambda path, settings: SimpleNamespace(
        list_collections=lambda: [Collection()]
    )
    monkeypatch.setitem(sys.modules, "chromadb", module)


def test_a_folder_of_chroma_is_read_through_its_client(tmp_path, path, chroma):
    exports.written(tmp_path / "chroma" / "chroma.sqlite3", "")

    called("import", tmp_path / "chroma", "--store", path)

    with Store.open(path) as store:
        assert [memory.text for memory in store.iterate()] == ["Ada rows"]
        assert store.get("notes/a").metadata == {"n": 1, "collection": "notes"}
        assert store.check() == []


def test_a_real_folder_of_chroma_is_read(tmp_path, path):
    chromadb = pytest.importorskip("chromadb", reason="chromadb is not installed")
    settings = chromadb.config.Settings(anonymized_telemetry=False)
    client = chromadb.PersistentClient(str(tmp_path / "chroma"), settings=settings)
    collection = client.create_collection("notes")
    collection.add(ids=["a"], documents=["Ada rows"], embeddings=[[1.0, 2.0]])

    called("import", tmp_path / "chroma", "--store", path)

    with Store.open(path) as store:
        assert store.get("notes/a").text == "Ada rows"
        assert store.check() == []


class FakeFeather:
    """feather-db's database, as far as it is called."""

    def __init__(self, path, dim, *, read_only):
        assert read_only
        edge = SimpleNamespace(target_id=2, rel_type="caused_by", weight=1.5)
        gone = SimpleNamespace(target_id=9, rel_type="supports", weight=0.5)
        self.held = {1: (self.about("Ada rows", importance=1.7), [edge, gone]),
                     2: (self.about("The lake is near", timestamp=0), [])}  # fmt: skip

    @classmethod
    def open(cls, path, dim, read_only):
        return cls(path, dim, read_only=read_only)

    @staticmethod
    def about(content, **more):
        plain = {"importance": 0.5, "timestamp": 1_700_000_000, "ttl": 0, "attributes": {"a": "b"},
                 "namespace_id": "ns", "entity_id": "", "source": "", "tags_json": '["x"]',
                 "recall_count": 3, "last_recalled_at": 0}  # fmt: skip
        return SimpleNamespace(content=content, **{**plain, **more})

    def modality_names(self):
        return ["text"]

    def get_all_ids(self, modality):
        return list(self.held)

    def get_metadata(self, id_):
        return self.held[id_][0]

    def get_edges(self, id_):
        return self.held[id_][1]

    def close(self):
        pass


def test_a_file_of_feather_db_is_read_through_its_package(tmp_path, path, monkeypatch):
    module = ModuleType("feather_db")
    module.DB = FakeFeather
    monkeypatch.setitem(sys.modules, "feather_db", module)
    (tmp_path / "old.feather").write_bytes(b"TAEF\t\0\0\0")

    told = called("import", tmp_path / "old.feather", "--store", path).stderr

    assert "2 importances and weights lay outside" in told
    assert "vectors are not taken" in told
    assert [each.name for each in tmp_path.iterdir() if "lock" in each.name] == []
    with Store.open(path) as store:
        memory = store.get("feather-db:1")
        assert (memory.importance, memory.valid_from.timestamp()) == (1.0, 1_700_000_000)
        assert memory.metadata["recall_count"] == 3
        (edge,) = store.edges("feather-db:1")
        assert (edge.type, edge.target, edge.weight) == ("caused_by", "feather-db:2", 1.0)
        assert store.check() == []


def test_a_real_file_of_feather_db_is_read(tmp_path, path):
    library = pytest.importorskip("feather_db", reason="feather-db is not installed")
    database = library.DB.open(str(tmp_path / "old.feather"), 4)
    for id_, text in ((1, "Ada rows"), (2, "The lake is near")):
        about = library.Metadata()
        about.content, about.importance, about.timestamp = text, 1.7, 1_700_000_000
        database.add(id_, [float(id_), 0.0, 0.0, 1.0], about)
    database.link(1, 2, "caused_by", 0.5)
    database.save()
    database.close()
    was = (tmp_path / "old.feather").read_bytes()

    called("import", tmp_path / "old.feather", "--store", path)

    assert (tmp_path / "old.feather").read_bytes() == was
    with Store.open(path) as store:
        assert store.get("feather-db:1").importance == 1.0
        assert [edge.type for edge in store.edges("feather-db:1")] == ["caused_by"]
        assert store.check() == []


@pytest.mark.parametrize("package", ["chromadb", "feather_db"])
def test_a_package_that_is_missing_is_an_extra_to_install(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    if package == "chromadb":
        place = exports.written(tmp_path / "chroma" / "chroma.sqlite3", "").parent
    else:
        place = tmp_path / "old.feather"
        place.write_bytes(b"TAEF\t\0\0\0")

    with pytest.raises(MissingExtraError, match="pip install"):
        items_of(place)


# What is damaged, foreign or strange


FOREIGN = {
    "a picture": b"\x89PNG\r\n\x1a\n\0\0\0",
    "nothing": b"",
    "prose": b"Once upon a time there was a store.\nIt was empty.\n",
    "JSON of something else": b'{\n"recipes": [{"eggs": 3}]\n}\n',
    "JSON of one number": b"3",
    "a SQLite file of others": None,
    "a zip of pictures": None,
    "a folder of pictures": None,
}


SEEN = {
    "a picture": "no text",
    "nothing": "an empty file",
    "prose": "text that begins with 'Once upon a time",
    "JSON of something else": "JSON with the fields 'recipes'",
    "JSON of one number": "text that begins with '3'",
    "a SQLite file of others": "no text",
    "a zip of pictures": "an archive of 1 files, such as cat.png",
    "a folder of pictures": "a folder of 1 files, such as cat.png",
}


def foreign(name, folder):
    place = folder / "given"
    if name.startswith("a SQLite"):
        return exports.database(place, "create table recipes(eggs integer);")
    if name.startswith("a zip"):
        with zipfile.ZipFile(place, "w") as archive:
            archive.writestr("cat.png", b"\x89PNG")
    elif name.startswith("a folder"):
        exports.written(place / "cat.png", "")
    else:
        place.write_bytes(FOREIGN[name])
    return place


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_foreign_is_refused_with_what_was_seen_and_makes_no_store(name, tmp_path, path):
    done = called("import", foreign(name, tmp_path), "--store", path, code=1)

    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("Error: ")
    assert SEEN[name] in done.stderr
    assert not path.exists()


CUT = ["chatgpt", "claude", "telegram", "discord", "messenger", "slack", "locomo", "longmemeval",
       "mem0", "sharegpt", "json_array"]  # fmt: skip


@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_what_was_cut_off_is_told_and_the_whole_adds_the_rest(name, keep, tmp_path, path):
    place = getattr(exports, name)(tmp_path / "given")
    files = list(place.rglob("*.json")) if place.is_dir() else [place]
    whole = {each: each.read_bytes() for each in files if each.name != "users.json"}
    for each, content in whole.items():
        each.write_bytes(content[: int(len(content) * keep)])
    command = ["import", place, "--store", path, "--embedder", "none", *OPTIONS.get(name, ())]

    done = CliRunner().invoke(app, [str(word) for word in command])

    assert done.exit_code == 1
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert "Error: " in done.stderr
    for each, content in whole.items():
        each.write_bytes(content)
    called(*command)
    with Store.open(path) as store:
        assert len(store) == len(KNOWN[name][1])
        assert store.check() == []


NAMES = ["id", "messages", "text", "mapping", "role", "content", "parts", "uuid", "author", "ts",
         "chat_messages", "created_at", "date", "type", "message", "conversation", "speaker_a",
         "session_1", "memory"]  # fmt: skip
SEEDS = ["chatgpt", "claude", "openai_lines", "openai_array", "sharegpt", "mcp_memory", "discord",
         "telegram", "locomo", "longmemeval", "mem0", "jsonl", "json_array"]  # fmt: skip
STRANGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)
    ),
    max_leaves=12,
)


def spoiled(value, strange, path):
    """The value with something strange in one place."""
    if isinstance(value, list) and value:
        at = path.pop() % len(value) if path else 0
        return [*value[:at], spoiled(value[at], strange, path), *value[at + 1 :]]
    if isinstance(value, dict) and value:
        name = sorted(value)[path.pop() % len(value) if path else 0]
        return {**value, name: spoiled(value[name], strange, path)}
    return strange


@given(st.sampled_from(SEEDS), STRANGE, st.lists(st.integers(0, 50), max_size=6))
def test_no_shape_of_a_value_breaks_an_import(tmp_path_factory, name, strange, where):
    folder = tmp_path_factory.mktemp("strange")
    place = getattr(exports, name)(folder)
    is_lines = place.suffix == ".jsonl"
    text = place.read_text("utf-8")
    value = [json.loads(row) for row in text.splitlines()] if is_lines else json.loads(text)
    value = spoiled(value, strange, list(where))
    if is_lines:
        exports.lines(place, value if isinstance(value, list) else [value])
    else:
        exports.written(place, value)
    with contextlib.suppress(ParameterError):
        items = items_of(place)
        assert all(isinstance(item, Entry | Refused | Remark | Tie) for item in items)
    shutil.rmtree(folder)


def test_a_message_that_is_not_as_its_format_has_it_takes_no_other_with_it(tmp_path):
    chat = exports.telegram_chat("Ada", 9)
    chat["messages"][1] = {"type": "message", "text": "x", "date": "never"}
    chat["messages"].append(["no", "message"])

    *_, last = items = items_of(exports.written(tmp_path / "result.json", chat))

    assert [type(item) for item in items] == [Refused, Entry, Refused]
    assert "not a time: 'never'" in items[0].reason
    assert last.line == 4


# Documents larger than memory


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip


def walked(doc):
    """The value of a document that is walked to its leaves."""
    if doc.kind() == "[":
        return [walked(doc) for _ in doc.items()]
    if doc.kind() == "{":
        return {name: walked(doc) for name in doc.fields()}
    return doc.value()


@given(VALUES, st.sampled_from([None, 1]), st.integers(1, 40))
def test_a_document_that_is_walked_in_pieces_is_what_json_reads(value, indent, chunk):
    text = json.dumps(value, indent=indent)
    was, document.CHUNK = document.CHUNK, chunk
    try:
        assert walked(Document(io.StringIO(text))) == json.loads(text)
        assert Document(io.StringIO(text)).value() == json.loads(text)
    finally:
        document.CHUNK = was


@given(st.lists(VALUES) | st.dictionaries(st.text(), VALUES), st.data())
def test_the_beginning_of_a_document_is_a_value_of_its_kind(value, data):
    text = json.dumps(value)
    cut = data.draw(st.integers(1, len(text)))

    assert isinstance(prefix(text[:cut]), type(value))
    assert prefix(text) == json.loads(text)


def test_what_nobody_takes_is_passed_over():
    doc = Document(io.StringIO('{"a": [1, {"b": []}], "c": {}, "d": [5, 6]}'))

    assert [doc.value() if name == "d" else None for name in doc.fields()] == [None, None, [5, 6]]


def test_a_value_that_never_ends_is_refused_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr(document, "MOST", 1_000)
    endless = Document(io.StringIO('["' + "x" * 1_000_000))

    with pytest.raises(ParameterError, match="never ends"):
        [endless.value() for _ in endless.items()]
    assert endless.place < 100_000


class Endless(io.RawIOBase):
    """A Telegram export of so many messages, made while it is read."""

    def __init__(self, count):
        self.rows = self.made(count)
        self.rest = b""

    @staticmethod
    def made(count):
        yield b'{"name": "Ada", "type": "personal_chat", "id": 1, "messages": ['
        for n in range(count):
            row = {"id": n, "type": "message", "date_unixtime": 1_600_000_000 + n, "from": "Ada",
                   "text": f"message {n} " + "x" * 200}  # fmt: skip
            yield (b"," if n else b"") + json.dumps(row).encode()
        yield b"]}"

    def readable(self):
        return True

    def readinto(self, buffer):
        while len(self.rest) < len(buffer) and (row := next(self.rows, None)) is not None:
            self.rest += row
        count = min(len(buffer), len(self.rest))
        buffer[:count], self.rest = self.rest[:count], self.rest[count:]
        return count


def test_a_large_export_is_read_in_constant_memory():
    def peak(count):
        doc = Document(io.TextIOWrapper(io.BufferedReader(Endless(count)), "utf-8"))
        tracemalloc.start()
        total = 0
        for name in doc.fields():
            for _ in doc.items() if name == "messages" else ():
                total += len(doc.value()["text"])
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert total > count * 200
        return most

    small, large = peak(2_000), peak(20_000)  # half a megabyte, and five

    assert large < small * 1.5 + 200_000


# Flat files


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_a_table_is_read_with_any_delimiter_and_encoding(tmp_path, path, delimiter, encoding):
    place = tmp_path / "rows.txt"
    place.write_bytes(
        f'Text{delimiter}TIME\n"Café{delimiter} at nine"{delimiter}2024-01-02\n'.encode(encoding)
    )
    options = ["--encoding", "latin-1"] if encoding == "latin-1" else []

    called("import", place, "--store", path, *options)

    with Store.open(path) as store:
        (memory,) = store.iterate()
        assert memory.text == f"Café{delimiter} at nine"
        assert memory.valid_from.date().isoformat() == "2024-01-02"
        assert store.check() == []


def test_an_encoding_that_there_is_none_of_is_refused(tmp_path, path):
    place = exports.jsonl(tmp_path)

    said = called("import", place, "--store", path, "--encoding", "klingon", code=1).stderr

    assert "no encoding is called 'klingon'" in said


@pytest.mark.parametrize("is_packed", [False, True])
def test_standard_input_is_read(tmp_path, path, is_packed):
    text = b'{"text": "Ada rows", "time": "13/2/2024"}\n{"text": "Bo walks", "time": "1/3/2024"}\n'
    done = CliRunner().invoke(
        app, ["import", "-", "--store", str(path)], input=gzip.compress(text) if is_packed else text
    )

    assert done.exit_code == 0, done.output
    with Store.open(path) as store:
        dates = {memory.text: memory.valid_from.date().isoformat() for memory in store.iterate()}
        assert dates == {"Ada rows": "2024-02-13", "Bo walks": "2024-03-01"}
        assert store.check() == []


@pytest.mark.parametrize(
    ("times", "options", "first", "is_warned"),
    [
        (["1/2/2024", "13/2/2024"], [], "2024-02-01", False),
        (["1/2/2024", "2/13/2024"], [], "2024-01-02", False),
        (["1/2/2024", "3/2/2024"], [], "2024-01-02", True),
        (["1/2/2024", "3/2/2024"], ["--day-first"], "2024-02-01", False),
        (["1.2.2024", "3.2.2024"], [], "2024-02-01", False),
        (["01-02-24 5:06 PM"], ["--month-first"], "2024-01-02", False),
    ],
)
def test_the_order_of_dates_is_that_of_the_whole_file(
    tmp_path, path, times, options, first, is_warned
):
    rows = [{"text": f"row {n}", "time": time} for n, time in enumerate(times)]

    done = called("import", exports.lines(tmp_path / "a.jsonl", rows), "--store", path, *options)

    assert ("--day-first" in done.stderr) == is_warned
    with Store.open(path) as store:
        dates = {memory.text: memory.valid_from.date().isoformat() for memory in store.iterate()}
        assert dates["row 0"] == first
        assert store.check() == []


def test_a_chat_of_ambiguous_dates_is_read_with_a_warning_or_as_one_says(tmp_path):
    text = "01/02/2024, 21:42 - Ada: The key is under the pot\n"
    place = exports.written(tmp_path / "chat.txt", text)

    (told, guessed), (said,) = items_of(place), items_of(place, day_first=True)

    assert "--day-first" in told.said
    assert guessed.record["valid_from"] == moment("2024-01-02T21:42:00")
    assert said.record["valid_from"] == moment("2024-02-01T21:42:00")


def test_dates_of_two_orders_are_refused(tmp_path, path):
    rows = [{"text": "a", "time": "13/2/2024"}, {"text": "b", "time": "2/13/2024"}]

    said = called("import", exports.lines(tmp_path / "a.jsonl", rows), "--store", path, code=1)

    assert "the dates are of two orders, such as 13/2/2024 and 2/13/2024" in said.stderr
    assert not path.exists()


@given(st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)), st.booleans())  # noqa: DTZ001
def test_a_numeric_date_is_read_back_in_its_order(date, is_day):
    date = date.replace(microsecond=0)
    pattern = "%d/%m/%Y %H:%M:%S" if is_day else "%m/%d/%Y %I:%M:%S %p"

    read = parse_time(date.strftime(pattern), day_first=is_day)

    assert datetime.fromtimestamp(read, UTC).replace(tzinfo=None) == date
    assert day_first([date.strftime(pattern)]) in {is_day, None}


@pytest.mark.parametrize("per", [1, 1_000, 1_000_000, 1_000_000_000])
def test_counts_since_1970_are_of_seconds_or_of_parts_of_them(per):
    assert parse_time(1_700_000_000 * per) == parse_time(str(1_700_000_000 * per)) == 1.7e9


def test_a_path_reaches_into_a_field_and_the_rest_of_it_is_metadata(tmp_path, path):
    place = exports.json_array(tmp_path)

    called("import", place, "--store", path, "--text-field", "message.content")

    with Store.open(path) as store:
        (memory,) = store.iterate()
        assert (memory.text, memory.metadata) == ("Ada rows", {"message": {"lang": "en"}})
        assert store.check() == []


def test_a_dry_run_shows_the_first_and_writes_nothing(tmp_path, path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    said = called("import", exports.telegram_all(tmp_path), "--dry-run", "--store", path).stdout

    assert said.startswith("A Telegram export. The first of it would be:")
    assert "2023-01-01 10:00" in said
    assert "See this!" in said
    assert not path.exists()


def test_fields_are_named_of_flat_files_only(tmp_path, path):
    said = called(
        "import", exports.telegram(tmp_path), "--store", path, "--text-field", "x", code=1
    )

    assert "a Telegram export names its fields itself" in said.stderr


def test_any_format_fills_a_store_for_each_value_of_a_field(tmp_path):
    place = exports.telegram_all(tmp_path)

    called("import", place, "--dir", tmp_path / "pool", "--per", "session")

    assert len(list((tmp_path / "pool").glob("*.feather"))) == 2


def test_a_format_that_is_named_is_not_looked_for(tmp_path, path):
    place = exports.written(tmp_path / "a.md", "text,time\nAda rows,2024-01-02\n")

    called("import", place, "--store", path, "--format", "csv")
    said = called("import", place, "--store", path, "--format", "cvs", code=1).stderr

    assert "no format is called 'cvs'; there are chatgpt" in said
    with Store.open(path) as store:
        assert [memory.text for memory in store.iterate()] == ["Ada rows"]
        assert store.check() == []


def test_an_import_that_was_cut_short_is_taken_up_where_it_was(tmp_path, path, monkeypatch):
    """At whatever line: what is said twice, too, is remembered as often as it stands there."""
    rows = [
        {"text": f"Ada rows to {number % 40}", "time": 1_700_000_000 + 60 * (number % 50)}
        for number in range(200)
    ]
    chat, whole = exports.lines(tmp_path / "chat.jsonl", rows), tmp_path / "whole.feather"
    monkeypatch.setattr(intake, "BATCH", 30)
    called("import", chat, "--store", whole)
    take = intake.Intake.take

    for cut in (1, 75, 199):

        def interrupted(self, item, cut=cut):
            if item.line == cut:
                raise KeyboardInterrupt
            take(self, item)

        monkeypatch.setattr(intake.Intake, "take", interrupted)
        called("import", chat, "--store", path, code=130)
    monkeypatch.setattr(intake.Intake, "take", take)
    called("import", chat, "--store", path)

    with Store.open(path) as store, Store.open(whole) as other:
        assert kept(store) == kept(other)
        assert len(store) == 200
        assert store.check() == []


def kept(store):
    return sorted(
        (each.id, each.text, each.valid_from, each.importance, each.affirmed)
        for each in store.iterate()
    )


@pytest.mark.parametrize("is_in_notebook", [False, True])
def test_a_bar_is_drawn_where_its_line_can_be_drawn_again(tmp_path, path, is_in_notebook):
    env = {"FORCE_COLOR": "1", "JPY_PARENT_PID": "1" if is_in_notebook else None}
    command = ["import", str(exports.jsonl(tmp_path)), "--store", str(path)]

    done = CliRunner().invoke(app, command, env=env)

    assert ("chat.jsonl" in done.stderr) == (not is_in_notebook)
    with Store.open(path) as store:
        assert store.check() == []


# The first hour, as the README has it


def readme_commands():
    """The lines of the README that lead from a ChatGPT export to a search, as one types them."""
    text = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    block = text.split("## Your own chats")[1].split("```sh\n")[1].split("```")[0]
    return block.strip().splitlines()


@pytest.mark.parametrize("embedder", ["model2vec:package:static_model", "hash:"])
def test_the_readme_leads_from_a_chat_export_to_a_search_with_a_real_model(
    tmp_path, monkeypatch, embedder
):
    if embedder != "hash:" and not all(
        map(importlib.util.find_spec, ["model2vec", "static_model"])
    ):
        pytest.skip("model2vec and tokenlearn-static-model are not installed")
    exports.chatgpt(tmp_path)
    monkeypatch.chdir(tmp_path)
    install, *commands = readme_commands()
    model = load(embedder)  # it takes seconds, and while it is in use nobody loads it again

    assert install.startswith("pip install ")
    assert len([install, *commands]) <= 6
    assert commands[0].endswith("--embedder model2vec:package:static_model")
    for command in commands[:2]:
        words = shlex.split(command.replace("model2vec:package:static_model", embedder))
        said = called(*words[1:]).stdout
    assert "We deploy on Tuesdays" in said
    with Store.open(tmp_path / "me.feather") as store:
        assert store.stats().embedder == model.model_name
        assert store.check() == []
