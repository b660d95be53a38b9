"""Embedding models by name, such as `fastembed:BAAI/bge-small-en-v1.5`, through their libraries.

A library is imported when a model of it is asked for. What it needs, and whether it downloads or
calls a service, is its own affair; `here` is for models that are on this machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from weakref import WeakValueDictionary

from feather_memory.config import EMBED_CHARACTERS
from feather_memory.errors import FeatherError, MissingEmbedderError, MissingExtraError
from feather_memory.types import Embedder
from feather_memory.write.hashing import HashEmbedder


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class NamedModel:
    """A model of some library, told by the methods of a SentenceTransformer."""

    model_name: str
    """What stores keep of it: the model's own name, whichever library it is called through."""
    documents: Embedder
    queries: Embedder

    def encode_document(self, texts: list[str]) -> Any:
        """One vector a text, shape (len(texts), dim)."""
        return self.documents(texts)

    def encode_query(self, texts: list[str]) -> Any:
        """Likewise, of questions."""
        return self.queries(texts)


@dataclass(frozen=True, slots=True)
class _Form:
    """What a family of models was trained to find before a text."""

    names: re.Pattern[str]
    """Matches what comes after the owner of a model's name."""
    document: str
    query: str

    @property
    def mark(self) -> str:
        """What the kept name says of it: vectors of passages are not those of bare texts."""
        return f"+{self.document.strip(': ')}" if self.document else ""


_SENTENCE: Final = "Represent this sentence for searching relevant passages: "
_FORMS: Final = (
    _Form(re.compile(r"(multilingual-)?e5-(small|base|large)(-v2)?"), "passage: ", "query: "),
    _Form(re.compile(r"bge-(small|base|large)-en(-v1\.5)?"), "", _SENTENCE),
    _Form(re.compile(r"mxbai-embed-large(-v1)?"), "", _SENTENCE),
    _Form(re.compile(r"snowflake-arctic-embed-(xs|s|m|l)"), "", _SENTENCE),
    _Form(re.compile(r"nomic-embed-text(-v1(\.5)?)?"), "search_document: ", "search_query: "),
)
_PLAIN: Final = _Form(re.compile(r".*"), "", "")

_PACKAGE: Final = "package:"  # a model whose files an installed package has in itself
_WEIGHTS: Final = "model.safetensors"
_PUBLISHED: Final = re.compile(r"[\w.-]+/[\w.-]+")

_loaded: WeakValueDictionary[str, NamedModel] = WeakValueDictionary()
"""Those in use: a service that opens a store for each request loads its model once."""


def load(name: str, *, is_here: bool = False) -> HashEmbedder | NamedModel:
    """The model of this name.

    Args:
        name: The library, a colon, and what the library calls the model: `hash:`, `model2vec:`,
            `fastembed:`, `sentence-transformers:`, `openai:` or `ollama:`. A folder that has the
            model may stand for it; and for model2vec `package:NAME`, an installed package with
            the model in it.
        is_here: Take the model from this machine, or not at all.

    Raises:
        MissingEmbedderError: No such library, or it has no such model, or not here.
        MissingExtraError: The library is not installed.

    >>> load("hash:64").model_name
    'hash:64'
    """
    library, colon, model = name.partition(":")
    if library == "hash" and colon:
        return _hash(model)
    if library not in LIBRARIES or not model.strip():
        raise MissingEmbedderError(
            "an embedder is a function of texts, a model of your library, or the name of one, "
            f"such as 'hash:' or 'fastembed:BAAI/bge-small-en-v1.5' (there are "
            f"{', '.join(each + ':' for each in ('hash', *LIBRARIES))}); got {name!r:.80}"
        )
    # What a local library has in use is here; what calls a service never is.
    found = None if is_here and library not in _LOCAL else _loaded.get(name)
    if found is None:
        found = _loaded[name] = _made(library, model, is_here=is_here)
    return found


def is_name(given: str) -> bool:
    """Whether a text begins as the name of a model does."""
    library, colon, _ = given.partition(":")
    return bool(colon) and library in {"hash", *LIBRARIES}


def here(kept: str) -> HashEmbedder | NamedModel | None:
    """The model by which a store says its vectors are, if one of these libraries has it here.

    The name comes from a file, which may be anybody's: no folder is loaded because of it, nothing
    is downloaded, and no service is called.
    """
    if kept.startswith("hash:"):
        with suppress(MissingEmbedderError):
            return load(kept)
        return None
    model = kept.partition("+")[0]
    is_published = _PUBLISHED.fullmatch(model) is not None and not Path(model).exists()
    for library in _LOCAL if is_published else ("model2vec",) if _is_packaged(model) else ():
        if find_spec(LIBRARIES[library].module) is None:
            continue
        with suppress(MissingEmbedderError, MissingExtraError):
            found = load(f"{library}:{model}", is_here=True)
            if found.model_name == kept:
                return found
    return None


def _hash(said: str) -> HashEmbedder:
    try:
        return HashEmbedder(*map(int, said.split(":"))) if said else HashEmbedder()
    except (ValueError, TypeError) as error:
        raise MissingEmbedderError(f"it is hash:DIM or hash:DIM:SEED: {error}") from None


def _made(library: str, model: str, *, is_here: bool) -> NamedModel:
    known = LIBRARIES[library]
    if find_spec(known.module) is None:
        raise MissingExtraError(library, library)
    try:
        if is_here and known.is_of_hub and _placed(model)[1] is None:
            _in_cache(model)  # first: sentence-transformers needs seconds to be imported
        return known.make(import_module(known.module), model, is_here=is_here)
    except FeatherError:
        raise
    except Exception as error:  # the library may raise anything
        said = f"{library}:{model}: {type(error).__name__}: {error}"
        raise MissingEmbedderError(said) from error


def _model2vec(library: Any, model: str, *, is_here: bool) -> NamedModel:
    name, place = _placed(model)
    if is_here and place is None:
        place = _in_cache(model)
    loaded = library.StaticModel.from_pretrained(str(place or model))
    return NamedModel(name, loaded.encode, loaded.encode)


def _fastembed(library: Any, model: str, *, is_here: bool) -> NamedModel:
    only = {"local_files_only": True} if is_here else {}
    loaded = library.TextEmbedding(model, **only)
    return _formed(model, lambda texts: list(loaded.embed(texts)), _form(model))


def _sentence_transformers(library: Any, model: str, *, is_here: bool) -> NamedModel:
    name, place = _placed(model)
    loaded = library.SentenceTransformer(str(place or model), local_files_only=is_here)

    def encoded(texts: list[str]) -> Any:
        return loaded.encode(texts, show_progress_bar=False)

    if any((getattr(loaded, "prompts", None) or {}).values()) and hasattr(loaded, "encode_query"):
        return NamedModel(name, loaded.encode_document, loaded.encode_query)
    return _formed(name, encoded, _form(model))


def _openai(library: Any, model: str, *, is_here: bool) -> NamedModel:
    _refuse_service(model, is_here=is_here)
    client = library.OpenAI()

    def embed(texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = []
        for asked in _bounded(texts):
            made = client.embeddings.create(model=model, input=asked, encoding_format="float")
            vectors += [one.embedding for one in sorted(made.data, key=lambda one: one.index)]
        return vectors

    return NamedModel(model, embed, embed)


def _ollama(library: Any, model: str, *, is_here: bool) -> NamedModel:
    _refuse_service(model, is_here=is_here)
    client = library.Client()

    def embed(texts: list[str]) -> Any:
        return client.embed(model=model, input=texts).embeddings

    return _formed(model, embed, _form(model.partition(":")[0]))


@dataclass(frozen=True, slots=True)
class _Library:
    module: str
    make: Callable[..., NamedModel]
    is_of_hub: bool = False


LIBRARIES: Final = {
    "model2vec": _Library("model2vec", _model2vec, is_of_hub=True),
    "fastembed": _Library("fastembed", _fastembed),
    "sentence-transformers": _Library(
        "sentence_transformers", _sentence_transformers, is_of_hub=True
    ),
    "openai": _Library("openai", _openai),
    "ollama": _Library("ollama", _ollama),
}
"""By what stands before the colon, which is the name of the extra, too."""

_LOCAL: Final = ("model2vec", "fastembed", "sentence-transformers")


def _refuse_service(model: str, *, is_here: bool) -> None:
    if is_here:
        raise MissingEmbedderError(f"{model!r} is a service's, and not here")


def _form(model: str) -> _Form:
    own = model.rpartition("/")[2].lower()
    return next((form for form in _FORMS if form.names.fullmatch(own)), _PLAIN)


def _formed(name: str, embed: Embedder, form: _Form) -> NamedModel:
    def documents(texts: list[str]) -> Any:
        return embed([form.document + text for text in texts])

    def queries(texts: list[str]) -> Any:
        return embed([form.query + text for text in texts])

    return NamedModel(name + form.mark, documents, queries)


def _placed(model: str) -> tuple[str, Path | None]:
    """What a model is called, and the folder that has it, if one was named."""
    if _is_packaged(model):
        return model, _folder_in(model.removeprefix(_PACKAGE))
    folder = Path(model).expanduser()
    if folder.is_dir():
        return str(folder.resolve()), folder.resolve()
    return model, None


def _in_cache(model: str) -> Path:
    """Where the hub's cache has a model."""
    hub = import_module("huggingface_hub")
    return Path(hub.snapshot_download(model, local_files_only=True))


def _is_packaged(model: str) -> bool:
    return model.startswith(_PACKAGE) and model.removeprefix(_PACKAGE).isidentifier()


def _folder_in(package: str) -> Path:
    """The folder of an installed package that holds a model. The package is not imported."""
    spec = find_spec(package)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for weights in sorted(Path(place).rglob(_WEIGHTS)):
            return weights.parent
    raise MissingEmbedderError(f"no package {package!r} with a {_WEIGHTS} in it is installed")


def _bounded(texts: list[str]) -> list[list[str]]:
    """The texts in as few runs as a service takes at once, in order."""
    runs: list[list[str]] = []
    room = 0
    for text in texts:
        if len(text) > room:
            runs.append([])
            room = max(EMBED_CHARACTERS, len(text))
        runs[-1].append(text)
        room -= len(text)
    return runs
