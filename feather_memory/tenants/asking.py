"""What each of several layers is told of one question: its vector, and by what scale to answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from types import MethodType
from typing import Any

from feather_memory.checks import instance
from feather_memory.model.formula import Scale
from feather_memory.model.scoring import Scoring
from feather_memory.search.question import SearchOptions
from feather_memory.tenants.layer import Layer
from feather_memory.write.models import OneByOne


def told_to(
    layers: Sequence[Layer], text: str | None, asked: SearchOptions
) -> Callable[[Layer], SearchOptions]:
    """Gives each layer the query's vector, which layers of one embedder share, and the scale.

    Who speaks in any of the layers is put as "I" in it.

    Args:
        layers: At least one.
        text: What is asked.
        asked: How. Its vector is taken out.
    """
    given = asked.pop("vector", None)
    vectors = {}
    if given is None and text is not None:
        speakers: list[str] = []
        if scoring_of(layers[0], asked).structure:
            for layer in layers:
                speakers += layer.store.plumbing.speakers(text)
        vectors = _vectors(layers, text, speakers)

    def own(layer: Layer) -> SearchOptions:
        return {"vector": vectors.get(layer.name, given)}

    if len(layers) == 1:  # which is measured by its own scale
        return own
    scale = reduce(Scale.joined, [_scale(layer, text, {**asked, **own(layer)}) for layer in layers])
    return lambda layer: {**own(layer), "scale": scale}


def _vectors(layers: Sequence[Layer], text: str, speakers: Sequence[str]) -> dict[str, Any]:
    """The question's vector for each layer that has an embedder, by the layer's name."""
    known: dict[object, Any] = {}
    vectors = {}
    for layer in layers:
        function = layer.store.plumbing.query_embedder
        is_of_model = isinstance(function, MethodType | OneByOne)  # equal for one model
        embedder = function if is_of_model else id(function)
        if embedder not in known:
            known[embedder] = layer.store.plumbing.embed_query(text, speakers)
        vectors[layer.name] = known[embedder]
    return vectors


def _scale(layer: Layer, text: str | None, asked: SearchOptions) -> Scale:
    asked["scoring"] = scoring_of(layer, asked)
    return layer.store.plumbing.scale(text, **asked)


def scoring_of(layer: Layer, asked: SearchOptions, time_weight: float | None = None) -> Scoring:
    """The question's scoring, with the layer's own time weight unless another is given."""
    given = asked.get("scoring")
    scoring = Scoring() if given is None else instance(given, "scoring", Scoring)
    return scoring.replace(time_weight=layer.time_weight if time_weight is None else time_weight)
