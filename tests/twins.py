"""A store in a file and one on a server that are told the same, and asked the same."""

from __future__ import annotations

import random
from contextlib import suppress

from feather_memory import F, FeatherError, Store
from feather_memory.model.memory import SignalKind

WORDS = [
    "tea", "coffee", "wine", "river", "bridge", "Lisbon", "Porto", "garden", "winter", "deploys",
    "Friday", "Monday", "editor", "Vim", "Helix", "prefers", "dark", "theme", "Alice", "Bob",
    "likes", "runs", "walks", "reads", "violet", "\0", "\1", "naïve", "Ünïcode", "🪶",
]  # fmt: skip
VERBS = {
    "add": 4, "add_many": 1, "update": 1, "supersede": 1, "unsupersede": 1, "forget": 1, "link": 2,
    "unlink": 1, "signal": 2, "unsignal": 1, "recall": 2, "feedback": 1, "unfeedback": 1,
    "shelf": 1, "block": 1, "again": 1,
}  # fmt: skip
"""What is done, and how often."""
KEYS = ("editor", "home", "drink", None, None, None)
SESSIONS = ("s1", "s2", None)
PEOPLE = ("alice", "bob", None)
HOUR = 3_600.0
FILTERS = (
    None,
    F("n") > 40,
    F("session") == "s1",
    (F("actor") == "alice") | ~F("n").exists(),
    F("tags").contains("red") & (F("importance") >= 0.4),
    F("text").icontains("ü"),
)


def told(value):  # noqa: PLR0911  one for each kind
    """What a call answered, as far as two stores can agree: all but where they are."""
    if isinstance(value, list | tuple):
        return [told(each) for each in value]
    if hasattr(value, "parts") and hasattr(value, "value"):
        return (value.value, value.parts)
    if hasattr(value, "memory") and hasattr(value, "hop"):
        return (told(value.memory), told(value.score), value.hop)
    if hasattr(value, "edges") and hasattr(value, "__iter__"):
        return ([told(hit) for hit in value], [told(edge) for edge in value.edges])
    if hasattr(value, "file_bytes"):
        names = ("path", "file_bytes", "derived_bytes", "generation", "index")
        return {name: getattr(value, name) for name in value.__slots__ if name not in names}
    if hasattr(value, "vector") and hasattr(value, "supersedes"):
        said = {n: getattr(value, n) for n in type(value).__slots__ if n != "vector"}
        return {**said, "vector": None if value.vector is None else value.vector.tolist()}
    return value


class Twins:
    """Both stores, and what is drawn for them."""

    def __init__(self, path, url, clock, embedder, seed, **of_server):
        self.clock = clock
        self.file = Store.open(path, clock=clock, embedder=embedder)
        self.server = Store.open(url, tenant="twin", clock=clock, embedder=embedder, **of_server)
        self.draw = random.Random(seed)
        self.ids, self.events, self.turns, self.count = [], [], [], 0
        self.seen = set()

    def close(self):
        self.file.close()
        self.server.close()

    def both(self, verb, *args, **named):
        """Have both do it; they answer alike, or refuse alike."""
        answers = []
        for store in (self.file, self.server):
            try:
                answers.append(told(getattr(store, verb)(*args, **named)))
            except (FeatherError, LookupError, ValueError) as error:
                answers.append((type(error), str(error)))
                self.seen.add(type(error))
        assert answers[0] == answers[1], (self.count, verb, args, named)
        return answers[0]

    def text(self):
        return " ".join(self.draw.choices(WORDS, k=self.draw.randint(1, 7))) + " ."

    def id(self):
        """One there is, now and then one there is not."""
        return self.draw.choice(self.ids) if self.ids and self.draw.random() < 0.97 else "nobody"

    def fields(self):
        draw, now = self.draw, self.clock()
        said = {
            "key": draw.choice(KEYS), "session": draw.choice(SESSIONS),
            "actor": draw.choice(PEOPLE),
            "role": draw.choice(("user", "assistant", None)),
            "origin": draw.choice((None, "user", "assistant", "document", "tool")),
            "metadata": draw.choice(
                (None, {"n": draw.randint(0, 99)}, {"tags": ["red", "ü\0"], "n": 0.1})
            ),
            "importance": draw.choice((None, draw.random())),
            "valid_from": draw.choice((None, None, now - draw.random() * 90 * HOUR)),
            "expires_at": draw.choice((None, None, None, now + draw.random() * 90 * HOUR)),
        }  # fmt: skip
        return {name: value for name, value in said.items() if value is not None}

    def step(self):
        """One change of any kind."""
        self.count += 1
        draw, n = self.draw, self.count
        self.clock.advance(seconds=draw.random() * HOUR)
        verb = draw.choices(list(VERBS), weights=list(VERBS.values()))[0]
        getattr(self, f"_{verb}")(f"m{n}")

    def _add(self, id_):
        self.both("add", self.text(), id=id_, **self.fields())
        self.ids.append(id_)

    def _again(self, _):
        self.both("add", self.text(), id=self.id(), **self.fields())

    def _add_many(self, id_):
        items = [{"text": self.text(), "id": f"{id_}.{n}", **self.fields()} for n in range(3)]
        self.both("add_many", items)
        self.ids += [item["id"] for item in items]

    def _update(self, _):
        changes = draw_some(self.draw, {"text": self.text(), **self.fields()})
        changes.pop("origin", None)
        self.both("update", self.id(), **changes)

    def _supersede(self, id_):
        self.both("supersede", self.id(), self.text(), id=id_)
        self.ids.append(id_)

    def _unsupersede(self, _):
        self.both("unsupersede", self.id())

    def _forget(self, _):
        gone = [self.id()] if self.draw.random() < 0.9 else [self.id(), self.id()]
        self.both("forget", gone, dry_run=True)
        self.both("forget", gone)
        self.ids = [id_ for id_ in self.ids if id_ not in gone]

    def _link(self, _):
        type_ = self.draw.choice(("next", "supports", "supersedes", "derived_from", "mine"))
        weight = 1.0 if type_ == "supersedes" else 1.0 - self.draw.random()
        self.both("link", self.id(), self.id(), type_, weight)

    def _unlink(self, _):
        self.both("unlink", self.id(), self.id(), self.draw.choice(("next", "mine", "supersedes")))

    def _signal(self, id_):
        kind = self.draw.choice(list(SignalKind))
        self.both("signal", self.id(), kind, event_id=f"e{id_}")
        self.events.append(f"e{id_}")

    def _unsignal(self, _):
        self.both("unsignal", self.draw.choice(self.events) if self.events else "none")

    def _recall(self, id_):
        turn = self.draw.choice([*self.turns, f"t{id_}"])
        self.both("recall", self.text(), k=4, turn=turn)
        self.turns = [*self.turns[-5:], turn]

    def _feedback(self, id_):
        turn = self.draw.choice(self.turns) if self.turns else "none"
        self.both("feedback", turn, self.draw.choice(("liked", "copied", "disliked")),
                  event_id=f"f{id_}")  # fmt: skip

    def _unfeedback(self, _):
        turn = self.draw.choice(self.turns) if self.turns else "none"
        self.both("unfeedback", turn, self.draw.choice(("liked", "copied")))

    def _shelf(self, id_):
        for store in (self.file, self.server):
            shelf = store.plumbing.shelf(f"notes{self.count % 3}")
            shelf[f"k{self.count % 7}"] = {"n": self.count, "ü": "\0"}
            shelf.discard([f"k{self.count % 5}"])

    def _block(self, id_):
        """Several writes, taken back or not."""
        text, fields, is_failed = self.text(), self.fields(), self.draw.random() < 0.5
        for store in (self.file, self.server):
            with suppress(ZeroDivisionError, FeatherError), store.transaction():
                store.add(text, id=id_, **fields)
                store.add(f"{text} and more", id=f"{id_}.b", key="block")
                with suppress(FeatherError):
                    store.link(id_, "nobody")
                assert not is_failed or 1 / 0
        if not is_failed:
            self.ids += [id_, f"{id_}.b"]

    def probe(self):
        """One question of any kind, about the present or the past."""
        draw, now = self.draw, self.clock()
        moments = {
            name: now - draw.random() * self.count * HOUR
            for name in ("as_of", "known_at")
            if draw.random() < 0.5
        }
        asked = {"where": draw.choice(FILTERS), "session": draw.choice((None, None, "s1"))}
        text = self.text()
        hits = self.both("search", text, k=draw.choice((1, 5, 50)), **asked, **moments)
        self.both("context_chain", text, k=3, hops=draw.choice((0, 1, 2)), **moments)
        self.both("why_not", text, self.id(), **moments)
        self.both("history", self.id())
        self.both("edges", self.id())
        self.both("signals", self.id())
        self.both("latest", draw.choice((1, 7)), where=draw.choice(FILTERS))
        self.both("stats")
        return hits

    def compare(self):
        """Whether they keep the same, to the last record; and both are sound."""
        kept = []
        for store in (self.file, self.server):
            with store.plumbing.everything() as records:
                kept.append(list(records))
        assert kept[0] == kept[1]
        assert self.both("check") == []
        assert self.both("suggest_supersedes", self.ids[0]) is not None


def draw_some(draw, values):
    return {name: value for name, value in values.items() if draw.random() < 0.4}


def replayed(twins, *, steps, probes):
    """How many answers were compared, of both, in so many steps."""
    every, found = steps // probes, 0
    for step in range(steps):
        twins.step()
        if step % every == 0:
            found += len(twins.probe())
    twins.compare()
    return found
