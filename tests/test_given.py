"""What people give in the place of what is asked for: taken where it can mean but one thing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from unittest.mock import Mock
from uuid import UUID

import numpy as np
import pytest

from feather_memory import (
    ContextLayers,
    InvalidVectorError,
    MissingEmbedderError,
    ParameterError,
    Store,
    TenantPool,
)
from feather_memory.testing import HashEmbedder

embed = HashEmbedder(dim=8)
VECTORS = [np.ones(8), np.ones(8, np.float32), [1.0] * 8, (1, 0, 0), np.ones((1, 8))]
SEARCHES = {
    "search": lambda store, text: store.search(text),
    "recall": lambda store, text: store.recall(text),
    "context_chain": lambda store, text: store.context_chain(text),
    "why_not": lambda store, text: store.why_not(text, "a"),
    "layers' search": lambda store, text: ContextLayers(user=store).search(text),
    "layers' recall": lambda store, text: ContextLayers(user=store).recall(text),
    "layers' chain": lambda store, text: ContextLayers(user=store).context_chain(text),
    "embed_query": lambda store, text: store.plumbing.embed_query(text),
}


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
@pytest.mark.parametrize("given", VECTORS, ids=lambda given: type(given).__name__)
@pytest.mark.parametrize("embedder", [None, embed], ids=["words", "vectors"])
def test_a_vector_in_the_place_of_the_text_says_vector(tmp_path, search, given, embedder):
    with Store.open(tmp_path / "a.feather", embedder=embedder) as store:
        store.add("tea", id="a")
        with pytest.raises(ParameterError, match="vector="):
            search(store, given)
        with pytest.raises(ParameterError, match="text must be a string"):
            search(store, ["tea"])
        assert store.check() == []


NO_STRINGS = [7, UUID(int=7), Path("seven"), np.int64(7)]
BY_ID = {
    "add": lambda store, id_: store.add("tea", id=id_),
    "get": lambda store, id_: store.get(id_),
    "get_many": lambda store, id_: store.get_many([id_]),
    "update": lambda store, id_: store.update(id_, text="x"),
    "supersede": lambda store, id_: store.supersede(id_, "x"),
    "unsupersede": lambda store, id_: store.unsupersede(id_),
    "forget": lambda store, id_: store.forget(id_),
    "forget several": lambda store, id_: store.forget([id_]),
    "link": lambda store, id_: store.link(id_, "a"),
    "unlink": lambda store, id_: store.unlink("a", id_),
    "edges": lambda store, id_: store.edges(id_),
    "history": lambda store, id_: store.history(id_),
    "signal": lambda store, id_: store.signal(id_, "liked"),
    "signals": lambda store, id_: store.signals(id_),
    "why_not": lambda store, id_: store.why_not("tea", id_),
    "a key": lambda store, id_: store.add("tea", key=id_),
    "a session": lambda store, id_: store.search("tea", session=id_),
}


@pytest.mark.parametrize("verb", BY_ID.values(), ids=BY_ID)
@pytest.mark.parametrize("given", NO_STRINGS, ids=lambda given: type(given).__name__)
def test_what_is_no_string_says_which_string_it_would_be(store, verb, given):
    with pytest.raises(ParameterError, match=f"string.*write {str(given)!r}"):
        verb(store, given)

    assert store.check() == []


class Documents:
    """LangChain's `Embeddings`, by its methods."""

    def embed_documents(self, texts):
        return embed(texts).tolist()

    def embed_query(self, text):
        return embed([f"query: {text}"])[0].tolist()


class Batch:
    """LlamaIndex's `BaseEmbedding`, which is callable with other things than texts."""

    def __call__(self, nodes):
        raise AssertionError("a transformation of nodes")

    def get_text_embedding_batch(self, texts, show_progress=False):
        return embed(texts).tolist()

    def get_query_embedding(self, query):
        return embed([f"query: {query}"])[0].tolist()


class Encoder:
    """A SentenceTransformer before 5.0, callable with tensors."""

    def __call__(self, tensors):
        raise AssertionError("a forward pass")

    def encode(self, sentences, batch_size=32):
        return embed(sentences)

    def get_sentence_embedding_dimension(self):
        return len(embed(["tea"])[0])


class TwoEncoders(Encoder):
    """One of 5.0 on."""

    def encode_document(self, sentences):
        return embed(sentences)

    def encode_query(self, sentences):
        return embed([f"query: {text}" for text in sentences])


class Generating:
    """fastembed's `TextEmbedding`."""

    def passage_embed(self, texts):
        yield from embed(list(texts))

    def query_embed(self, query):
        yield from embed([f"query: {text}" for text in query])


@pytest.mark.parametrize("kind", [Documents, Batch, Encoder, TwoEncoders, Generating])
@pytest.mark.parametrize("is_pooled", [False, True], ids=["store", "pool"])
def test_a_model_is_an_embedder(tmp_path, kind, is_pooled):
    pool = TenantPool(tmp_path / "pool", embedder=kind())
    opened = pool.get("alice") if is_pooled else Store.open(tmp_path / "a.feather", embedder=kind())
    asked = "tea" if kind is Encoder else "query: tea"
    with pool, opened as store:
        store.add("green tea")

        (hit,) = store.search("tea")

        assert hit.memory.vector.tolist() == embed(["green tea"])[0].tolist()
        assert store.plumbing.embed_query("tea") == pytest.approx(embed([asked])[0])
        assert hit.score.cosine == pytest.approx(
            max(0.0, float(embed(["green tea"])[0] @ embed([asked])[0])), abs=1e-6
        )
        assert store.check() == []


class OwnEncode:
    """A function of texts that has a method of one text beside."""

    def __call__(self, texts):
        return embed(texts)

    def encode(self, text):
        raise AssertionError("of one text")

    embed_query = query_embed = encode


@pytest.mark.parametrize("made", [OwnEncode, lambda: Mock(side_effect=embed)], ids=["own", "mock"])
def test_a_function_with_some_method_of_a_model_is_called_as_a_function(tmp_path, made):
    with Store.open(tmp_path / "a.feather", embedder=made()) as store:
        store.add("green tea")

        (hit,) = store.search("green tea")

        assert hit.score.cosine == pytest.approx(1.0)
        assert store.check() == []


def test_layers_of_one_model_embed_a_query_once(tmp_path):
    calls = []

    class Counting(Documents):
        def embed_query(self, text):
            calls.append(text)
            return super().embed_query(text)

    model = Counting()
    with (
        Store.open(tmp_path / "a.feather", embedder=model) as mine,
        Store.open(tmp_path / "b.feather", embedder=model) as ours,
    ):
        mine.add("tea")
        ours.add("coffee")

        ContextLayers(user=mine, team=ours).search("tea")

        assert calls == ["tea"]
        assert mine.check() == ours.check() == []


@pytest.mark.parametrize("wrong", ["all-MiniLM-L6-v2", 7, [1.0], Documents, TwoEncoders])
def test_what_is_no_embedder_says_what_one_is_before_a_file_is_made(tmp_path, wrong):
    path = tmp_path / "a.feather"

    with pytest.raises(MissingEmbedderError, match=r"function of texts|is a class; give one"):
        Store.open(path, embedder=wrong)
    with pytest.raises(MissingEmbedderError):
        Store.open(path, embedder=embed, query_embedder=wrong)
    with pytest.raises(MissingEmbedderError):
        TenantPool(tmp_path / "pool", embedder=wrong)
    assert not path.exists()


SHAPES = {
    "a list of arrays": lambda texts: [np.array(row) for row in embed(texts)],
    "a generator of arrays": lambda texts: (row for row in embed(texts)),
    "a generator of lists": lambda texts: (row.tolist() for row in embed(texts)),
    "a map": lambda texts: map(list, embed(texts)),
    "a tuple": lambda texts: tuple(embed(texts)),
    "halves": lambda texts: embed(texts).astype(np.float16),
}


@pytest.mark.parametrize("shaped", SHAPES.values(), ids=SHAPES)
def test_vectors_come_in_any_shape(tmp_path, shaped):
    with Store.open(tmp_path / "a.feather", embedder=shaped) as store:
        store.add_many({"text": text} for text in ("tea", "coffee"))

        assert store.search("tea")[0].memory.text == "tea"
        assert store.check() == []


def test_what_an_embedder_cannot_return_is_refused_by_name(tmp_path):
    async def later(texts):
        await asyncio.sleep(0)
        return embed(texts)

    for wrong, error in [
        (later, MissingEmbedderError),
        (lambda texts: [[1.0], [1.0, 2.0]], InvalidVectorError),
        (lambda texts: None, InvalidVectorError),
        (lambda texts: (row for row in ()), InvalidVectorError),
    ]:
        with Store.open(tmp_path / "a.feather", embedder=wrong) as store:
            with pytest.raises(error, match="embedder"):
                store.add_many([{"text": "tea"}, {"text": "coffee"}])
            assert (len(store), store.check()) == (0, [])


def test_several_come_from_a_generator(tmp_path):
    with TenantPool(tmp_path) as pool:
        store = pool.get("alice")
        written = store.add_many({"text": f"tea {n}"} for n in range(4))
        ids = [memory.id for memory in written]

        assert store.get_many(id_ for id_ in ids) == written
        assert len(store.plumbing.known(id_ for id_ in ids)) == 4
        assert store.forget(id_ for id_ in ids[:2]).ids == tuple(ids[:2])
        assert pool.warm(name for name in ["alice"]).tenants[0].failure is None
        assert store.check() == []
