"""Tenants with hostile names: no two have one file, and nobody is shown what is another's."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path

from feather_memory import ContextLayers, Store, TenantNameError, TenantPool
from feather_memory.agent import TenantTemplate
from feather_memory.agent.tenancy import CallFields
from feather_memory.model.names import file_name
from feather_memory.testing import HashEmbedder
from torture import Run, Told

ODD = [
    "alice", "Alice", "alice.", "alice ", "..", ".", "../../x", "..\\..\\x", "/etc/passwd", "C:\\x",
    "CON", "con.txt", "NUL", "com1", "COM¹", "%", "%2e", "%63on", "%-", "*", "?", ":", '"', "<",
    "café", "cafe\u0301", "\u212b", "Å", "ﬁ", "ß", "ẞ", "ı", "İ", "ſ", "😀", "👩‍👩‍👧", "\u202e",
    "\u200b", "日本", "x.feather", "x.feather-wal", "-rf", "'; drop table memory; --", "$HOME",
    "user:7", "{user_id}", "{0.__class__}", "%s", "${jndi:x}", "\x7f", "\x01", "a" * 254, "é" * 120,
]  # fmt: skip
SIGNS = "aAbBéÉe\u0301%2./\\-_ cCoOnN1:{}$\u202e😀日\n\t"
EMBED = HashEmbedder(dim=16)
SHOWN = 20
"""Memories that a tenant asks for: more than any has."""
_FOLDERS = 100
"""Names to one that gets a file."""


def named(chance: random.Random) -> str:
    """A name that somebody might choose who wants another's memories."""
    start = chance.choice(ODD) if chance.random() < 0.5 else ""
    rest = "".join(chance.choices(SIGNS, k=chance.choice([0, 1, 2, 3, 8, 30])))
    name = (start + rest)[:255] or "x"
    if chance.random() < 0.3:
        name = chance.choice([str.upper, str.casefold, str.swapcase])(name)[:255]
    if chance.random() < 0.3:
        name = unicodedata.normalize(chance.choice(["NFC", "NFD", "NFKC", "NFKD"]), name)[:255]
    return name


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


class Names:
    """Names and what they are mapped to, as file systems would take it; by digests."""

    def __init__(self, mapped: Callable[[str], str]) -> None:
        self.mapped = mapped
        self._names: dict[int, int] = {}

    def clash(self, name: str) -> str | None:
        """What is wrong with where the name leads, if anything is."""
        made = self.mapped(name)
        if not made or made != Path(made).name or made in {".", ".."}:
            return f"{name!r} leads to {made!r}"
        place = _digest(unicodedata.normalize("NFKC", made).casefold())
        if self._names.setdefault(place, _digest(name)) != _digest(name):
            return f"{name!r} has the file {made!r} of another"
        return None


def templated(name: str) -> str:
    """The tenant of a user by a template."""
    return TenantTemplate("user:{user_id}")(CallFields({"call": {"user_id": name}}))


class Tenants:
    """A directory of tenants, each with a few memories that say whose they are."""

    def __init__(self, folder: Path) -> None:
        self.pool = TenantPool(folder, embedder=EMBED, max_open=64)
        self.names: list[str] = []

    def add(self, name: str) -> None:
        """Give a tenant memories, who has none yet."""
        canary = f"canary{len(self.names)}x"
        self.pool.get(name).add_many([{"text": f"{canary} likes tea {n}"} for n in range(2)])
        self.names.append(name)

    def leaks(self, at: int, chance: random.Random) -> Iterator[str]:
        """What a tenant is shown that is another's, whichever way it asks."""
        others = [chance.randrange(len(self.names)) for _ in range(2)]
        yield from self._not_of({at}, at, self._asked(self.names[at]))
        layers = {"user": at, "team": others[0], "shared": others[1]}
        if len({*layers.values()}) == 3:
            stores = {layer: self.pool.get(self.names[of]) for layer, of in layers.items()}
            found = ContextLayers(**stores).search("who likes tea", SHOWN)
            yield from self._not_of({*layers.values()}, at, [hit.memory.text for hit in found])
        for shown in adapters(self.pool, self.names[at]):
            yield from self._not_of({at}, at, shown)

    def _asked(self, name: str) -> list[str]:
        store = self.pool.get(name)
        hits = [*store.search("who likes tea", SHOWN), *store.context_chain("canary0x", SHOWN)]
        return [hit.memory.text for hit in hits] + [each.text for each in store.iterate()]

    def _not_of(self, allowed: set[int], at: int, texts: list[str]) -> Iterator[str]:
        canaries = {f"canary{each}x" for each in allowed}
        if not texts:
            yield f"{self.names[at]!r} is shown nothing"
        for text in texts:
            if text.split()[0] not in canaries:
                yield f"{self.names[at]!r} is shown {text!r}"


def adapters(pool: TenantPool, name: str) -> Iterator[list[str]]:
    """What adapters show of a tenant, those that are installed."""
    try:
        from langchain_feather_memory import FeatherRetriever
    except ImportError:
        pass
    else:
        retriever = FeatherRetriever(pool=pool, tenant="{user_id}", k=SHOWN)
        if templated(name) == f"user:{name}":  # else the template has another tenant for it
            config = {"configurable": {"user_id": name}}
            yield [found.page_content for found in retriever.invoke("who likes tea", config)]
    try:
        from llama_index.memory.feather import FeatherRetriever as LlamaRetriever
    except ImportError:
        return
    nodes = LlamaRetriever(pool=pool, tenant=name, similarity_top_k=SHOWN).retrieve("who likes tea")
    yield [found.node.get_content() for found in nodes]


def run(asked: Run) -> Told:
    """Names by chance; one in a thousand with a file, memories, and questions."""
    chance, told, goes_on = random.Random(asked.seed), Told(), asked.goes_on()
    files, templates, tenants = Names(file_name), Names(_templated_file), Tenants(asked.folder)
    with tenants.pool:
        while goes_on(told.trials):
            name = named(chance)
            clash = files.clash(name) or templates.clash(name)
            told.broken += [clash] if clash else []
            told.ended("names with a file of their own")
            if told.trials % _FOLDERS == 1 and name not in tenants.names:
                tenants.add(name)
                at = chance.randrange(len(tenants.names))
                told.broken += tenants.leaks(at, chance)
                told.counts["tenants with files"] += 1
    return told


def _templated_file(name: str) -> str:
    try:
        return file_name(templated(name))
    except TenantNameError:  # it grew too long
        return f"none {_digest(name)}"


def control(asked: Run) -> bool:
    """Whether it is seen that names share a file, and that memories of others are shown."""
    folded = Names(lambda name: name.casefold().replace("/", "_"))
    clashes = [folded.clash(name) for name in ("Alice", "alice", "bob")]
    tenants = Tenants(asked.folder)
    with tenants.pool:
        for name in ("alice", "bob", "carol"):
            tenants.add(name)
        with Store.open(tenants.pool.path_of("alice")) as store:
            store.add("canary1x likes tea, said Bob")
        leaks = list(tenants.leaks(0, random.Random(asked.seed)))
        others = list(tenants.leaks(2, random.Random(asked.seed)))
    return [bool(each) for each in clashes] == [False, True, False] and bool(leaks) and not others
