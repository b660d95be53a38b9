"""Scripts of what is said about a person over time, drawn by a seed: stated, corrected, said again.

A script knows which value holds and which one fell, by the words it was made of; it shares no code
with what judges texts in the store.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from feather_memory.config import DAY

PEOPLE = "Alice Boris Chen Dunja Emeka Farah Goran Hanna Ivo Jelena".split()  # noqa: SIM905
TOPICS = {
    "home": (
        "{p} lives in {v}",
        "where does {p} live",
        ["{p} is living in {v}", "It is {v} where {p} lives", "As I know, {p} lives in {v} now",
         "{v} is the place that {p} lives in", "Based in {v}, like many"],
        "Oslo Lisbon Quito Hanoi Accra Turin Porto Kyiv Riga Split".split(),  # noqa: SIM905
    ),
    "work": (
        "{p} works as a {v}",
        "what does {p} work as",
        ["By trade {p} is a {v}", "{p} has been working as {v}", "Working as a {v}, that is {p}",
         "I noted that {p} works as a {v}"],
        "nurse welder pilot baker lawyer tailor farmer potter".split(),  # noqa: SIM905
    ),
    "food": (
        "{p} prefers to eat {v}",
        "what does {p} prefer to eat",
        ["{v} is what {p} prefers", "{p} would always eat {v}", "Eating {v} is preferred by {p}"],
        "ramen tacos pierogi falafel lasagna pho".split(),  # noqa: SIM905
    ),
    "limit": (
        "The limit of {p} is {v} euros",
        "what is the limit of {p}",
        ["{p} has {v} euros as a limit", "Up to {v} euros, so is {p}'s limit"],
        "50 75 120 240 310 900".split(),  # noqa: SIM905
    ),
}  # fmt: skip
BESIDES = {
    "home": ["{p} has a friend in {v}", "The trip to {v} was booked by {p}", "{v} is large"],
    "work": ["{p} is married to a {v}", "A {v} has called {p}", "Every {v} works hard"],
    "food": ["{p} has learned to cook {v}", "There is {v} for lunch", "{p} has sold {v}"],
    "limit": ["{p} has paid {v} euros", "{p} turned {v}", "{v} euros are due in May"],
}
BYSTANDERS = ("another's", "among others", "something else")
OTHERS = ("assistant", "tool", "document", "import")
ECHOES = ("keyed", "verbatim", "summarised", "imported", "paraphrased")
REVERSALS = ("by key", "since later", "reaffirmed", "in its place", "with an id")


@dataclass
class Script:
    """One person's fact, which was corrected, in a store among others'."""

    draw: random.Random
    store: object
    clock: object
    person: str = ""
    is_keyed: bool = True
    bystanders: list = field(default_factory=list)

    def begin(self):
        """State the fact and others beside it, then correct it."""
        draw = self.draw
        self.person = draw.choice(PEOPLE)
        self.topic = draw.choice(list(TOPICS))
        self.template, self.question, self.paraphrases, values = TOPICS[self.topic]
        self.besides = BESIDES[self.topic]
        self.old, self.new = draw.sample(values, 2)
        self.is_keyed = draw.random() < 0.5
        self.key = f"{self.person}.{self.topic}" if self.is_keyed else None
        self.first = self.store.add(self.says(self.old), key=self.key)
        self.tell_others()
        self.clock.advance(days=draw.randint(1, 40))
        self.correct()
        self.clock.advance(days=draw.randint(1, 40))

    def says(self, value):
        return self.template.format(p=self.person, v=value)

    def tell_others(self):
        for other in self.draw.sample([p for p in PEOPLE if p != self.person], 3):
            topic = self.draw.choice(list(TOPICS))
            template, _, _, values = TOPICS[topic]
            text = template.format(p=other, v=self.draw.choice(values))
            self.bystanders.append(self.store.add(text, key=f"{other}.{topic}"))

    def correct(self):
        if self.is_keyed and self.draw.random() < 0.5:
            self.second = self.store.add(self.says(self.new), key=self.key)
        else:
            self.second = self.store.supersede(self.first.id, self.says(self.new))

    def echo(self, kind):
        """Have the old value said again, by somebody who does not know better."""
        draw, old = self.draw, self.says(self.old)
        by = draw.choice(OTHERS)
        if kind == "keyed":
            return self.store.add(old, key=f"{self.person}.{self.topic}", origin=by)
        if kind == "verbatim":
            texts = [old, old.upper(), f"{old}.", f"  {old} !"]
            told = draw.choice([{}, {"origin": by}, {"role": "assistant"}])
            return self.store.add(draw.choice(texts), **told)
        if kind == "summarised":
            around = [memory.text for memory in draw.sample(self.bystanders, 2)]
            parts = [around[0], old, around[1]]
            draw.shuffle(parts)
            joint = draw.choice([". ", "\n- ", "; "])
            return self.store.add("Summary: " + joint.join(parts) + ".", origin=by)
        if kind == "imported":
            record = {"text": old, "id": f"line-{draw.random()}", "origin": "import",
                      "metadata": {"file": "backup.jsonl"}, "session": "old"}  # fmt: skip
            if draw.random() < 0.5:
                record["valid_from"] = self.first.valid_from
            return self.store.add_many([record])[0]
        text = draw.choice(self.paraphrases).format(p=self.person, v=self.old)
        return self.store.add(text, origin=by)

    def tell_beside(self, kind):
        """Have something else said that holds the old value and is as true as ever."""
        draw, old = self.draw, self.old
        by = draw.choice(OTHERS)
        person = draw.choice([each for each in PEOPLE if each != self.person])
        if kind == "another's":
            text = draw.choice([self.template, *self.paraphrases[:-1]]).format(p=person, v=old)
        elif kind == "among others":
            texts = [self.template.format(p=person, v=old), f"{self.person} has a cat"]
            draw.shuffle(texts)
            text = draw.choice([". ", "\n- ", "; "]).join(texts)
        else:
            text = draw.choice(self.besides).format(p=self.person, v=old)
        return self.store.add(text, origin=by)

    def reverse(self, kind):
        """Have the user say that the old value holds again."""
        old, key = self.says(self.old), f"{self.person}.{self.topic}"
        if kind == "by key" and self.is_keyed:
            return self.store.add(old, key=key, role=self.draw.choice([None, "user"]))
        if kind == "since later":
            return self.store.add(old, valid_from=self.clock())
        if kind == "in its place":
            return self.store.supersede(self.second.id, old)
        if kind == "with an id":
            return self.store.add(old, id=f"turn-{self.draw.random()}", role="user")
        return self.store.add(old, reaffirm=True)

    def is_stale(self):
        """Whether one of five hits says the old value of this person, and not the new one."""
        hits = self.store.search(self.question.format(p=self.person) + " " + self.old, k=5)
        texts = [hit.memory.text.lower() for hit in hits]
        return any(self.tells_old(text) for text in texts)

    def tells_old(self, text):
        words = text.replace(".", " ").replace(";", " ").replace(",", " ").split()
        is_about = self.person.lower() in text or "based in" in text
        return self.old.lower() in words and is_about and self.new.lower() not in words


def drawn(seed, count, store, clock):
    """That many scripts, one after the other, each begun in a store of its own."""
    for number in range(count):
        draw = random.Random(f"{seed}/{number}")
        clock.advance(seconds=DAY)
        script = Script(draw, store(number), clock)
        script.begin()
        yield script
