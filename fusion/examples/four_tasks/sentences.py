"""Sentences made by code, each with four labels: topic, feeling, mood and trend.

All four tasks see the same kind of sentence and differ in the label only, so that their experts get in each other's way.
Familiar sentences are made of half of the nouns, adjectives and numbers.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

TOPICS: Mapping[str, tuple[str, ...]] = {
    "food": ("soup", "bread", "cheese", "noodle", "pepper", "kitchen", "dinner", "plum", "oven", "spoon"),
    "sport": ("race", "goal", "coach", "stadium", "racket", "sprint", "medal", "referee", "team", "ball"),
    "travel": (
        "train",
        "harbour",
        "ticket",
        "island",
        "hotel",
        "suitcase",
        "border",
        "bridge",
        "map",
        "ferry",
    ),
    "work": (
        "meeting",
        "office",
        "report",
        "invoice",
        "desk",
        "manager",
        "deadline",
        "contract",
        "printer",
        "memo",
    ),
}
FEELINGS: Mapping[str, tuple[str, ...]] = {
    "bad": ("awful", "broken", "dull", "gloomy", "late", "poor", "rotten", "sad", "slow", "ugly"),
    "good": ("bright", "clever", "fine", "fresh", "great", "happy", "lovely", "neat", "quick", "splendid"),
}
NEGATIONS = ("hardly", "never", "not")
MOODS = ("command", "question", "statement")
TRENDS = ("down", "level", "up")
NUMBERS = tuple(f"n{i}" for i in range(8))
FILLERS = (
    "again",
    "also",
    "anyway",
    "maybe",
    "now",
    "often",
    "perhaps",
    "soon",
    "still",
    "then",
    "today",
    "yet",
)
LABELS: Mapping[str, tuple[str, ...]] = {
    "feeling": tuple(FEELINGS),
    "mood": MOODS,
    "topic": tuple(TOPICS),
    "trend": TRENDS,
}
FRAMES = ("beside", "cost", "from", "keep", "the", "to", "was")
SPECIAL = ("<s>", "<pad>", "</s>", "<mask>")
WORDS = (
    *SPECIAL,
    *sorted(
        {
            *NEGATIONS,
            *NUMBERS,
            *FILLERS,
            *FRAMES,
            *(word for group in (*TOPICS.values(), *FEELINGS.values()) for word in group),
        }
    ),
)
NUMBER_OF = {word: number for number, word in enumerate(WORDS)}
LONGEST = 24


def sentence(chance: random.Random, *, is_familiar: bool) -> tuple[list[str], dict[str, str]]:
    """A sentence and its label for every task."""
    step = 2 if is_familiar else 1
    labels = {task: chance.choice(names) for task, names in LABELS.items()}
    others = [topic for topic in TOPICS if topic != labels["topic"]]
    words = _clause(chance, labels, step)
    # Sometimes a noun of another topic stands beside; only the one that is spoken of counts.
    if chance.random() < 0.4:
        words += ["beside", "the", chance.choice(TOPICS[chance.choice(others)][::step])]
    first, second = _numbers(chance, labels["trend"], step)
    cost = ["cost", "from", first, "to", second]
    words = cost + words if chance.random() < 0.5 else words + cost
    for _ in range(chance.randrange(1, 5)):
        words.insert(chance.randrange(len(words) + 1), chance.choice(FILLERS))
    return words, labels


def _clause(chance: random.Random, labels: Mapping[str, str], step: int) -> list[str]:
    is_negated = chance.random() < 0.2
    feeling = labels["feeling"] if not is_negated else next(f for f in FEELINGS if f != labels["feeling"])
    adjective = ([chance.choice(NEGATIONS)] if is_negated else []) + [
        chance.choice(FEELINGS[feeling][::step])
    ]
    noun = chance.choice(TOPICS[labels["topic"]][::step])
    return {
        "command": ["keep", "the", noun, *adjective],
        "question": ["was", "the", noun, *adjective],
        "statement": ["the", noun, "was", *adjective],
    }[labels["mood"]]


def _numbers(chance: random.Random, trend: str, step: int) -> tuple[str, str]:
    numbers = NUMBERS[::step]
    first, second = sorted(chance.sample(range(len(numbers)), 2))
    before, after = {"down": (second, first), "level": (first, first), "up": (first, second)}[trend]
    return numbers[before], numbers[after]


def numbered(words: list[str]) -> list[int]:
    """The numbers of the words of a sentence, padded to one length."""
    inner = [NUMBER_OF[word] for word in words][: LONGEST - 2]
    whole = [NUMBER_OF["<s>"], *inner, NUMBER_OF["</s>"]]
    return whole + [NUMBER_OF["<pad>"]] * (LONGEST - len(whole))


def examples(
    count: int, seed: int, *, is_familiar: bool = False
) -> tuple[list[list[int]], dict[str, list[int]]]:
    """Sentences as numbers, and the number of the label of each for every task."""
    chance = random.Random(seed)
    made = [sentence(chance, is_familiar=is_familiar) for _ in range(count)]
    labels = {task: [names.index(label_of[task]) for _, label_of in made] for task, names in LABELS.items()}
    return [numbered(words) for words, _ in made], labels
