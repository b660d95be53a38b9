"""What somebody tells their assistant over three months: the tables that `days` draws from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a fact."""

    told: str
    """The user's sentence that tells it."""
    word: str
    """What every text that tells it holds, and no text that does not."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something about the user that may change."""

    questions: tuple[str, ...]
    """Ways to ask for it. The first is asked in the end."""
    answer: str
    """What the assistant says, with `{}` for the value's word."""
    values: tuple[Value, ...]
    """In the order in which they hold; the last is current."""


def _fact(questions: str, answer: str, *values: tuple[str, str]) -> Fact:
    told = tuple(Value(sentence, word) for sentence, word in values)
    return Fact(tuple(questions.split(" | ")), answer, told)


FACTS: Final = (
    _fact(
        "Where do I live? | Which city is my home?", "You live in {}.",
        ("I live in Lisbon, in a flat close to the river", "Lisbon"),
        ("We have moved: home is Porto since the weekend", "Porto"),
        ("I moved once more and live in Braga now", "Braga"),
    ),
    _fact(
        "Who is my manager? | Who do I report to?", "Your manager is {}.",
        ("My manager is Ingrid, she joined from sales", "Ingrid"),
        ("I report to Tobias now, after the reorganisation", "Tobias"),
        ("The new head of my team, and my manager, is Farida", "Farida"),
    ),
    _fact(
        "Which database does our project use? | What do we store our data in?",
        "The project uses {}.",
        ("Our project keeps its data in MySQL", "MySQL"),
        ("We migrated the project's database to Postgres", "Postgres"),
        ("As of today the project's database is CockroachDB", "CockroachDB"),
    ),
    _fact(
        "On which day do we deploy? | When do our releases go out?", "You deploy on {}.",
        ("We deploy on Monday mornings", "Monday"),
        ("We deploy on Wednesday now, Monday was too hectic for it", "Wednesday"),
        ("Releases were shifted: we deploy on Thursday", "Thursday"),
    ),
    _fact(
        "Which phone do I have? | What phone do I use?", "You have a {}.",
        ("I use a Pixel as my phone", "Pixel"),
        ("My new phone is a Fairphone", "Fairphone"),
    ),
    _fact(
        "How do I get to work? | What is my commute?", "You go to work by {}.",
        ("I go to work by tram", "tram"),
        ("I bought a bicycle and ride it to work every day", "bicycle"),
    ),
    _fact(
        "What do I drink in the morning? | What is my morning drink?",
        "In the morning you drink {}.",
        ("I drink espresso in the morning", "espresso"),
        ("I stopped with coffee: in the morning I drink matcha", "matcha"),
    ),
    _fact(
        "Which language am I learning? | What language do I study?", "You are learning {}.",
        ("I am learning Italian in the evenings", "Italian"),
        ("I gave that up and am learning Japanese instead", "Japanese"),
    ),
    _fact(
        "Which sport do I do? | What do I do to keep fit?", "You do {}.",
        ("My sport is climbing, twice a week", "climbing"),
        ("Since my shoulder hurts my sport is swimming", "swimming"),
    ),
    _fact(
        "What is the budget of the project? | How much may the project cost?",
        "The budget is {} euros.",
        ("The budget of the project is 40,000 euros", "40,000"),
        ("The budget was raised to 65,000 euros", "65,000"),
    ),
    _fact(
        "Which editor do I write code in? | What is my code editor?", "You write code in {}.",
        ("I write code in Sublime", "Sublime"),
        ("I switched my editor to Neovim", "Neovim"),
    ),
    _fact(
        "Which bank am I with? | Where is my bank account?", "You are with {}.",
        ("My bank account is with Santander", "Santander"),
        ("I closed that account, my bank is Revolut now", "Revolut"),
    ),
    _fact(
        "When is my dentist appointment? | When do I see the dentist?",
        "Your dentist appointment is on {}.",
        ("My dentist appointment is on May 4", "May 4"),
        ("The dentist called, my appointment is on May 19 instead", "May 19"),
    ),
    _fact(
        "Who looks after the children? | Who is our babysitter?", "{} looks after the children.",
        ("Marta looks after the children on weekdays", "Marta"),
        ("Our babysitter is Yusuf from this month on", "Yusuf"),
    ),
    _fact(
        "Which theme do I like in my tools? | How should my windows look?",
        "You like the {} theme.",
        ("I like the dark theme in all my tools", "dark"),
        ("My eyes are better with the solarized theme, use that", "solarized"),
    ),
    _fact("What is the name of my dog? | How is my dog called?", "Your dog is called {}.",
          ("My dog is called Pancho and he is two", "Pancho")),
    _fact("What am I allergic to? | Which allergy do I have?", "You are allergic to {}.",
          ("I am allergic to walnuts", "walnuts")),
    _fact("When is my birthday? | On which date was I born?", "Your birthday is on {}.",
          ("My birthday is on October 23", "October 23")),
    _fact("Where did I go to university? | What did I study and where?", "You studied in {}.",
          ("I studied physics in Utrecht", "Utrecht")),
    _fact("What is the name of my sister? | Who is my sister?", "Your sister is {}.",
          ("My sister Henrike is a nurse", "Henrike")),
)  # fmt: skip
"""Twenty, with thirty-nine values."""

UNANSWERABLE: Final = (
    "What is my blood type?",
    "Who is my landlord?",
    "Which car do I drive?",
    "What is my shoe size?",
    "Where did I spend my honeymoon?",
    "What is the name of my cat?",
    "Which school did my mother go to?",
    "How much do I weigh?",
    "What is the licence plate of my car?",
    "Which newspaper do I read?",
    "Who won the chess tournament I played in?",
    "What was the first concert I went to?",
    "Which insurance company do I use?",
    "How tall is my brother?",
    "What is my passport number?",
    "Which instrument did I play as a child?",
    "Who painted the picture in my bedroom?",
    "What is my favourite restaurant in Rome?",
    "When does my gym membership end?",
    "Which hotel did we book for the conference?",
)
"""Nothing that was said answers them."""

CHATTER: Final = (
    ("It has been raining for {} hours", "That sounds wet. I hope it clears up soon."),
    ("I slept only {} hours last night", "Take it easy today, then."),
    ("The meeting took {} hours, nobody decided anything", "Long meetings are tiring."),
    ("I answered {} mails before lunch", "That is quite a lot."),
    ("There were {} people in the queue at the bakery", "It must be good bread."),
    ("I read {} pages of my novel on the sofa", "Enjoy the rest of it."),
    ("My neighbour has been drilling for {} hours", "I am sorry about the noise."),
    ("The lift is broken again and I took {} flights of stairs", "Good exercise, at least."),
    ("I counted {} open tabs in my browser", "Perhaps it is time to close some."),
    ("We lost the pub quiz by {} points", "Better luck next time."),
    ("I watched {} episodes of that series in a row", "It must be gripping."),
    ("The tests took {} minutes today, far too slow", "A profile may show what takes so long."),
    ("The printer ate {} sheets of paper", "Printers do that."),
    ("I waited {} minutes for the plumber", "I hope that the pipe is fixed."),
    ("The soup needed {} more minutes than the recipe said", "Recipes are optimistic."),
    ("Somebody left {} umbrellas in the office", "They will miss them when it rains."),
    ("I deleted {} old photos and feel lighter", "Tidying up helps."),
    ("The review had {} comments, most of them about names", "Names are hard."),
)
"""What the user says by the way, with `{}` for a number, and what the assistant says to it."""

REQUESTS: Final = (
    ("How do I reverse a list in Python?", "Use reversed(), or a slice with a step of -1."),
    ("What is the capital of Mongolia?", "The capital of Mongolia is Ulaanbaatar."),
    ("Can you shorten this paragraph for me?", "Please send me the paragraph."),
    ("How long do I boil an egg?", "Six to ten minutes, depending on how firm you like it."),
    ("What does idempotent mean?", "Doing it twice has the same effect as doing it once."),
    ("How many grams are in an ounce?", "An ounce has about 28 grams."),
    ("Is a tomato a fruit?", "Botanically it is."),
    ("What should I cook tonight?", "Perhaps a risotto with mushrooms."),
)
"""What the user asks that has nothing to do with them, and the answers."""

ACKNOWLEDGED: Final = ("Noted.", "Got it, I will remember that.", "Thanks, noted.", "Understood.")
"""What the assistant says when it is told something."""

SMALL: Final = (
    ("ok", "Anything else?"), ("thanks", "You're welcome."), ("Good morning!", "Good morning!"),
    ("bye", "Goodbye."),
)  # fmt: skip
"""What says nothing by itself, and what is said to it."""
