"""Sentences for small models to learn from, put together at random, each with what is to be told of it."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass

GOOD = (
    *("good", "great", "lovely", "delicious", "friendly", "quick", "clean", "helpful", "wonderful", "charming"),
    *("perfect", "bright", "fresh", "pleasant", "excellent", "warm", "careful", "reliable", "generous", "splendid"),
)
BAD = (
    *("bad", "awful", "rude", "slow", "dirty", "useless", "terrible", "broken", "boring", "cold"),
    *("stale", "noisy", "ugly", "careless", "dreadful", "unfriendly", "disgusting", "poor", "dull", "horrible"),
)
THINGS = (
    *("food", "soup", "bread", "tea", "coffee", "room", "hotel", "bed", "view", "film", "story", "music", "book"),
    *("service", "waiter", "staff", "driver", "train", "bus", "phone", "keyboard", "screen", "garden", "shop"),
)
_REVIEWS = (
    "The {thing} was {word}.",
    "The {thing} was {word} and the {other} was {same}.",
    "What a {word} {thing}!",
    "I found the {thing} {word}, and the {other} {same}.",
    "We had a {word} {thing} and a {same} {other}.",
    "{same} {thing}, {word} {other}.",
    "The {thing} is really {word}.",
    "I would say that the {thing} was {word}.",
    "The {thing} was not {opposite}, it was {word}.",
    "My friends thought the {thing} was {word}.",
)

PEOPLE = (
    *("Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Margaret", "Dennis", "Frances", "Ken", "Radia", "Tony"),
    *("Emmy", "Carl", "Sofia", "Leonhard", "Maria", "Henri", "Hedy", "Niels", "Lise", "Max", "Marie", "Rosalind"),
)
FAMILIES = (
    *("Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth", "Hamilton", "Ritchie", "Allen", "Thompson"),
    *("Noether", "Gauss", "Euler", "Agnesi", "Poincare", "Lamarr", "Bohr", "Meitner", "Planck", "Curie"),
)
PLACES = (
    *("Paris", "London", "Berlin", "Vienna", "Rome", "Madrid", "Oslo", "Lisbon", "Prague", "Dublin", "Athens"),
    *("Zurich", "Boston", "Chicago", "Kyoto", "Lagos", "Lima", "Cairo", "Delhi", "Sydney", "Geneva", "Warsaw"),
)
COMPANIES = (
    *("Acme Works", "Northwind Traders", "Blue Harbour", "Granite Software", "Silver Line", "Red Kite Press"),
    *("Copper Valley Bank", "Globex", "Initech", "Umbrella Labs", "Stark Foundry", "Wayne Tools"),
)
_NEWS = (
    "{person} works for {company} in {place}.",
    "{person} met {person} in {place}.",
    "In {place}, {person} spoke about the future of {company}.",
    "{company} opened an office in {place}.",
    "Yesterday {person} left {company}.",
    "{person} and {person} moved from {place} to {place}.",
    "The head of {company} is {person}.",
    "It rained in {place} when {person} arrived.",
    "Nobody was in the office on Monday.",
    "The train to {place} was late, said {person}.",
)

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
OWNED = ("book", "bicycle", "violin", "boat", "lamp", "garden", "clock", "kite", "piano", "telescope", "cat", "horse")
COLOURS = ("red", "blue", "green", "yellow", "white", "black", "silver", "golden")
_FACTS = (
    ("Where does {person} live?", "{person} lives in {place}.", "place"),
    ("What does {person} own?", "{person} owns a {thing}.", "thing"),
    ("Who does {person} work for?", "{person} works for {company}.", "company"),
    ("When did {person} arrive?", "{person} arrived on {day}.", "day"),
)

_FILLERS = (
    "It rained all day.",
    "Nobody said a word.",
    "The shop is open again.",
    "Music played softly in the next room.",
    "People came and went.",
    "The bread was fresh.",
    "Somebody had closed the window.",
    "That was a long time ago.",
)


@dataclass(frozen=True)
class Tagged:
    """A sentence and the names in it: kind, first and last character."""

    text: str
    names: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Asked:
    """A question, a context, and where its answer stands."""

    question: str
    context: str
    start: int
    end: int


def review(chance: random.Random) -> tuple[str, bool]:
    """Return a sentence, and whether it says something good."""
    good = chance.random() < 0.5
    words, others = (GOOD, BAD) if good else (BAD, GOOD)
    word, same = chance.sample(words, 2)
    thing, other = chance.sample(THINGS, 2)
    text = chance.choice(_REVIEWS).format(
        thing=thing, other=other, word=word, same=same, opposite=chance.choice(others)
    )
    return text[0].upper() + text[1:], good


def news(chance: random.Random, *, strange: float = 0.3) -> Tagged:
    """Return a sentence with names; a share of those are made up, so that only what stands around tells their kind."""
    text, names = "", []
    for literal, kind, _, _ in string.Formatter().parse(chance.choice(_NEWS)):
        text += literal
        if kind is not None:
            name = _name(kind, chance, strange)
            names.append((_KINDS[kind], len(text), len(text) + len(name)))
            text += name
    return Tagged(text, tuple(names))


def riddle(chance: random.Random) -> Asked:
    """Return a question, and facts about people in any order among sentences that say nothing of them.

    No two facts answer questions of one kind.
    """
    told = []
    for question, fact, wanted in chance.sample(_FACTS, chance.randint(2, 4)):
        values = {
            "person": chance.choice(PEOPLE),
            "place": chance.choice(PLACES),
            "thing": f"{chance.choice(COLOURS)} {chance.choice(OWNED)}",
            "company": chance.choice(COMPANIES),
            "day": chance.choice(DAYS),
        }
        told.append((question.format(**values), fact.format(**values), values[wanted]))
    question, fact, answer = chance.choice(told)
    said = [each for _, each, _ in told]
    for _ in range(chance.choice((0, 2, 6))):
        said.insert(chance.randint(0, len(said)), chance.choice(_FILLERS))
    context = " ".join(said)
    start = context.index(fact) + fact.index(answer)
    return Asked(question, context, start, start + len(answer))


_KINDS = {"person": "PER", "place": "LOC", "company": "ORG"}


def _name(kind: str, chance: random.Random, strange: float) -> str:
    if chance.random() < strange:
        made_up = [_made_up(chance) for _ in range(chance.choice((1, 2) if kind != "place" else (1,)))]
        return " ".join(made_up)
    if kind == "person":
        return chance.choice(PEOPLE) + (f" {chance.choice(FAMILIES)}" if chance.random() < 0.7 else "")
    return chance.choice(PLACES if kind == "place" else COMPANIES)


def _made_up(chance: random.Random) -> str:
    parts = (chance.choice("bdfgklmnprstvz") + chance.choice("aeiou") for _ in range(chance.randint(2, 3)))
    return "".join(parts).capitalize()
