"""A model is given by its name, and what is kept of it finds it again."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

import feather_memory
from feather_memory import (
    HashEmbedder,
    MissingEmbedderError,
    MissingExtraError,
    Store,
    TenantPool,
    WrongEmbedderError,
)
from feather_memory.cli import app
from feather_memory.write import named

HASH = HashEmbedder(32)
PACKAGED = "model2vec:package:static_model"


def vectors(texts):
    assert isinstance(texts, list)
    return HASH(texts)


# Fakes with the interfaces of the libraries, as far as they are called.

TOLD = []  # what they were given, in order


class StaticModel:
    def encode(self, texts):
        TOLD.extend(texts)
        return vectors(texts)

    @classmethod
    def from_pretrained(cls, path):
        TOLD.append(f"loaded {path}")
        return cls()


class TextEmbedding:
    def __init__(self, model_name, *, local_files_only=False):
        if "nowhere" in model_name or (local_files_only and "cached" not in model_name):
            raise ValueError(f"Model {model_name} is not supported")
        TOLD.append(f"loaded {model_name}")

    def embed(self, texts):
        TOLD.extend(texts)
        yield from vectors(texts)


class SentenceTransformer:
    def __init__(self, name, *, local_files_only=False):
        TOLD.append(f"loaded {name}, local only: {local_files_only}")
        self.prompts = {"query": "Q: ", "document": ""} if "instruct" in name else {}

    def encode(self, texts, show_progress_bar):
        assert show_progress_bar is False
        TOLD.extend(texts)
        return vectors(texts)

    def encode_query(self, texts):
        TOLD.extend(f"as a query: {text}" for text in texts)
        return vectors(texts)

    def encode_document(self, texts):
        TOLD.extend(texts)
        return vectors(texts)


class OpenAI:
    def __init__(self):
        self.embeddings = self

    def create(self, *, model, input, encoding_format):  # noqa: A002
        assert encoding_format == "float"
        TOLD.append(f"asked {model} for {len(input)}")
        rows = [
            SimpleNamespace(index=at, embedding=row.tolist())
            for at, row in enumerate(vectors(input))
        ]
        return SimpleNamespace(data=rows[::-1])


class Client:
    def embed(self, *, model, input):  # noqa: A002
        TOLD.extend(input)
        return SimpleNamespace(embeddings=vectors(input).tolist())


def snapshot_download(name, *, local_files_only):
    assert local_files_only
    if "cached" not in name:
        raise FileNotFoundError(name)
    return f"/cache/{name}"


@pytest.fixture
def told():
    TOLD.clear()
    return TOLD


@pytest.fixture
def libraries(monkeypatch, told):
    """The fakes, in the place of the libraries."""
    for name, attributes in {
        "model2vec": {"StaticModel": StaticModel},
        "fastembed": {"TextEmbedding": TextEmbedding},
        "sentence_transformers": {"SentenceTransformer": SentenceTransformer},
        "openai": {"OpenAI": OpenAI},
        "ollama": {"Client": Client},
        "huggingface_hub": {"snapshot_download": snapshot_download},
    }.items():
        module = ModuleType(name)
        module.__spec__ = importlib.util.spec_from_loader(name, None)
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("hash:", "hash:256"),
        ("hash:64", "hash:64"),
        ("hash:64:3", "hash:64:3"),
        ("model2vec:minishlab/potion-base-8M", "minishlab/potion-base-8M"),
        ("fastembed:BAAI/bge-small-en-v1.5", "BAAI/bge-small-en-v1.5"),
        ("sentence-transformers:all-MiniLM-L6-v2", "all-MiniLM-L6-v2"),
        ("openai:text-embedding-3-small", "text-embedding-3-small"),
        ("ollama:all-minilm:22m", "all-minilm:22m"),
    ],
)
def test_a_store_is_opened_with_a_name_and_keeps_the_models_own(path, libraries, name, kept):
    with Store.open(path, embedder=name) as store:
        store.add_many({"text": text} for text in ("a black cat", "my dog barks"))

        assert store.search("black cats", k=1)[0].memory.text == "a black cat"
        assert store.stats().embedder == kept
        assert store.check() == []
    with pytest.raises(WrongEmbedderError):
        Store.open(path, embedder="hash:16")
    with Store.open(path, embedder=name) as again:
        assert again.search("black cats", k=1)[0].memory.text == "a black cat"


QUERY = "Represent this sentence for searching relevant passages: tea?"


@pytest.mark.parametrize(
    ("name", "said", "kept"),
    [
        ("fastembed:intfloat/multilingual-e5-small", ["passage: tea", "query: tea?"], "+passage"),
        ("sentence-transformers:intfloat/e5-base-v2", ["passage: tea", "query: tea?"], "+passage"),
        ("fastembed:BAAI/bge-small-en-v1.5", ["tea", QUERY], "-v1.5"),
        ("sentence-transformers:BAAI/bge-base-en", ["tea", QUERY], "-base-en"),
        ("sentence-transformers:some/e5-instruct", ["tea", "as a query: tea?"], "-instruct"),
        ("fastembed:sentence-transformers/all-MiniLM-L6-v2", ["tea", "tea?"], "-L6-v2"),
        (
            "ollama:nomic-embed-text:latest",
            ["search_document: tea", "search_query: tea?"],
            "+search_document",
        ),
    ],
)
def test_a_query_has_the_form_that_its_model_was_trained_for(
    path, libraries, told, name, said, kept
):
    with Store.open(path, embedder=name) as store:
        store.add("tea")
        store.search("tea?")

        assert [text for text in told if not text.startswith("loaded")] == said
        assert store.stats().embedder.endswith(kept)
        assert store.check() == []


def test_vectors_of_passages_and_of_bare_texts_do_not_mix(path, libraries):
    """An object of the library embeds the bare text, and says the bare name."""
    bare = sys.modules["sentence_transformers"].SentenceTransformer("intfloat/e5-small")
    bare.model_name = "intfloat/e5-small"
    with Store.open(path, embedder="sentence-transformers:intfloat/e5-small") as store:
        store.add("tea")

    with pytest.raises(WrongEmbedderError):
        Store.open(path, embedder=bare)
    with Store.open(path) as store:
        assert store.check() == []


def test_a_folder_may_stand_for_a_model(path, libraries, told, tmp_path, monkeypatch):
    (tmp_path / "models" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)

    with Store.open(path, embedder="model2vec:models/mine") as store:
        store.add("tea")
        assert store.stats().embedder == str(tmp_path / "models" / "mine")
        assert store.check() == []
    assert told[0] == f"loaded {tmp_path / 'models' / 'mine'}"


def test_a_model_in_use_is_loaded_once_whoever_asks(tmp_path, libraries, told):
    name = "fastembed:BAAI/bge-small-en-v1.5"
    with (
        Store.open(tmp_path / "a.feather", embedder=name),
        Store.open(tmp_path / "b.feather", embedder=name),
        TenantPool(tmp_path / "pool", embedder=name),
    ):
        pass

    assert told == ["loaded BAAI/bge-small-en-v1.5"]


def test_no_library_is_imported_before_a_model_of_it_is_asked_for(path, monkeypatch):
    for library in named.LIBRARIES.values():
        monkeypatch.delitem(sys.modules, library.module, raising=False)

    with Store.open(path, embedder="hash:") as store:
        store.add("tea")
        assert store.check() == []

    assert not {library.module for library in named.LIBRARIES.values()} & sys.modules.keys()


def test_a_service_is_asked_for_no_more_than_it_takes(libraries, told, monkeypatch):
    monkeypatch.setattr(named, "EMBED_CHARACTERS", 10)
    model = named.load("openai:text-embedding-3-small")

    made = model.encode_document(["12345", "6789", "012", "a text that is too long", "x"])

    assert [text.rsplit(" ", 1)[1] for text in told] == ["2", "1", "1", "1"]
    assert np.allclose(made, HASH(["12345", "6789", "012", "a text that is too long", "x"]))


@pytest.mark.parametrize("library", named.LIBRARIES)
def test_a_library_that_is_missing_is_an_extra_to_install(path, library, monkeypatch):
    monkeypatch.setattr(named, "find_spec", lambda name: None)

    with pytest.raises(MissingExtraError, match=rf"feather-memory\[{library}\]"):
        Store.open(path, embedder=f"{library}:model")
    assert not path.exists()


def test_every_library_has_an_extra_of_its_name():
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8")
    for library in named.LIBRARIES:
        assert f"\n{library} = [" in text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("all-MiniLM-L6-v2", "there are hash:, model2vec:"),
        ("torch:x", "got 'torch:x'"),
        ("fastembed:", "got 'fastembed:'"),
        ("fastembed:nowhere", "ValueError: Model nowhere"),
        ("hash:many", "hash:DIM"),
        ("hash:1:2:3", "hash:DIM"),
        ("hash:0", "hash:DIM"),
        ("model2vec:package:json", "no package 'json' with a model.safetensors"),
        ("model2vec:package:not_there", "no package 'not_there'"),
    ],
)
def test_a_name_of_nothing_is_refused_before_a_file_is_made(path, libraries, name, said):
    with pytest.raises(MissingEmbedderError) as refused:
        Store.open(path, embedder=name)

    assert said in str(refused.value)
    assert not path.exists()


# What a store's own name may do


def test_a_kept_name_loads_what_is_on_this_machine(libraries, told):
    assert named.here("hash:64").model_name == "hash:64"
    assert named.here("owner/cached-model").model_name == "owner/cached-model"
    assert named.here("intfloat/e5-small+passage") is None  # not in the cache
    assert "loaded /cache/owner/cached-model" in told


@pytest.mark.parametrize(
    "kept",
    ["owner/model", "text-embedding-3-small", "os:system", "hash:x", "package:json", "", "+"],
)
def test_a_kept_name_downloads_nothing_and_calls_no_service(libraries, told, kept):
    assert named.here(kept) is None
    assert not any("asked" in text or "local only: False" in text for text in told)


def test_a_kept_name_never_loads_a_folder(libraries, told, tmp_path, monkeypatch):
    """The file may come from anybody, and a folder beside it, too."""
    (tmp_path / "owner" / "cached-model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)

    assert named.here("owner/cached-model") is None
    assert named.here(str(tmp_path / "owner" / "cached-model")) is None
    assert told == []


def called(*arguments, code=0):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done


def test_the_command_line_takes_a_name_and_then_knows_it(path, libraries, tmp_path):
    (tmp_path / "chat.jsonl").write_text('{"text": "a black cat", "time": 1}\n')
    (tmp_path / "more.jsonl").write_text('{"text": "a white cat", "time": 1}\n')
    name = "fastembed:owner/cached-model"

    called("import", tmp_path / "chat.jsonl", "--store", path, "--embedder", name)
    called("import", tmp_path / "more.jsonl", "--store", path)

    found = called("search", path, "black cats")
    assert "a black cat" in found.stdout
    assert found.stderr == ""
    with Store.open(path) as store:
        assert all(len(memory.vector) == HASH.dim for memory in store.iterate())
        assert store.stats().embedder == "owner/cached-model"
        assert store.check() == []


def test_the_command_line_says_so_where_a_stores_model_is_not_here(path, tmp_path, libraries):
    with Store.open(path, embedder=HASH, embedder_name="owner/elsewhere") as store:
        store.add("a black cat")
    (tmp_path / "chat.jsonl").write_text('{"text": "a white cat", "time": 1}\n')

    found = called("search", path, "cat")
    refused = called("import", tmp_path / "chat.jsonl", "--store", path, code=1)

    assert "a black cat" in found.stdout
    assert "'owner/elsewhere': searching by words only" in found.stderr
    assert "'owner/elsewhere', which is not here: name it with --embedder" in refused.stderr
    with Store.open(path) as store:
        assert len(store) == 1
        assert store.check() == []


# The real path


def test_the_packaged_model_knows_what_letters_do_not(path):
    """A real model, from a package that has it in itself: nothing is downloaded."""
    pytest.importorskip("model2vec", reason="model2vec is not installed")
    if importlib.util.find_spec("static_model") is None:
        pytest.skip("tokenlearn-static-model, which has a model in it, is not installed")

    texts = ["The physician called", "The docks and the tractor"]
    with Store.open(path, embedder=PACKAGED) as store:
        store.add_many({"text": text} for text in texts)
        cosines = {hit.memory.text: hit.score.cosine for hit in store.search("doctor")}

        assert cosines[texts[0]] > cosines[texts[1]]
        assert store.stats().embedder == PACKAGED.removeprefix("model2vec:")
        assert store.stats().dimension == 64
        assert store.check() == []
    doctor, physician, tractor = HashEmbedder()(["doctor", *texts])
    assert doctor @ physician < doctor @ tractor  # the control: by its letters it is the other
    assert "The physician called" in called("search", path, "doctor", "-k", 1).stdout


def test_the_hash_embedder_is_exported_as_what_it_is():
    assert feather_memory.HashEmbedder is HashEmbedder
    assert "Lexical, not semantic" in HashEmbedder.__doc__
