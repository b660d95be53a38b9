"""What is embedded before a write begins: others would have to wait for the embedder."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from feather_memory.errors import UnknownMemoryError
from feather_memory.filters.language import Filter
from feather_memory.model.fields import Record
from feather_memory.model.spoken import Anew
from feather_memory.progress import Progress
from feather_memory.store.core import Core
from feather_memory.write import turns
from feather_memory.write.draft import Draft
from feather_memory.write.forgetting import doomed

_log = logging.getLogger("feather_memory")


def prepared(
    core: Core,
    drafts: list[Draft],
    held: Mapping[str, Record],
    *,
    progress: Progress = False,
    is_alone: bool = False,
) -> list[Draft]:
    """The drafts with vectors, where some are turns of a conversation or replace what is stored.

    Args:
        core: Of the store, which has an embedder.
        drafts: What is to be written at once.
        held: What is stored under their ids, by id.
        progress: Told after each batch.
        is_alone: Embed each turn without what was said before it.
    """
    with core.truth.reading() as moment:
        now = max(core.truth.now(), moment.state.latest)
        composed, waiting = turns.prepared(moment, drafts, held, now, is_alone=is_alone)
    ready = core.embedding.complete(composed, progress)
    if not waiting:
        return ready
    remade = {each.row: each for each in core.embedding.of_anew(waiting)}
    return [replace(draft, remade=remade) for draft in ready]


def without(
    core: Core, ids: Sequence[str] | None, where: Filter | None, *, with_derived: bool = False
) -> Mapping[int, Anew]:
    """Vectors that hold nothing of what is to be forgotten, by the row of their memory.

    None where the embedder fails, for what is to go must go: these memories lose their vectors.

    Args:
        core: Of the store.
        ids: Of what is to be forgotten.
        where: Which of them, or of all.
        with_derived: Whether what is derived of them is to be forgotten, too.
    """
    embedding, made = core.embedding, None
    if embedding.documents is None:
        return {}
    with core.truth.reading() as moment:
        try:
            records = doomed(moment, ids, where, with_derived=with_derived).records
        except UnknownMemoryError:
            return {}  # it is said by whoever writes
        waiting = turns.anew(moment, [(record, None) for record in records])
    with suppress(Exception):  # what an embedder raises may be anything: it is the caller's code
        made = embedding.of_anew(waiting)
    if made is None:
        _log.warning("%s: %d memories lose their vectors", core.truth.place, len(waiting))
    return {each.row: each for each in made or ()}
