"""How often location is wrong, by grade, where the truth is known: conflicts resolved by code, then located again.

    python benchmarks/location.py                       # made-up files of few different lines
    python benchmarks/location.py --mined out/mined     # the conflicts and lines of mined files, resolved anew

Every conflict gets a candidate or a candidate edited with lines that stand around it; then lines of the agreed text
are deleted, replaced, copied or moved, next to conflicts by preference. Wrong is a text that differs from the
resolution by more than white space. Such files repeat themselves and are torn more than real ones: read the figures
of the grades beside each other, not as rates of real merges.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mergebert.example import GRADES, ConflictExample
from mergebert.text.candidates import candidates, whitespace_key
from mergebert.text.languages import Language, language_of
from mergebert.text.markers import Conflict, Markers, MergedFile, lines_of, parse_line_merge
from mergebert.text.threeway import ThreeWay
from mergebert_data.dataset.agreement import verdict
from mergebert_data.dataset.store import read_rows
from mergebert_data.locate.majority_vote import Location, locations

MARKERS = Markers("<<<<<<< ours\n", "||||||| base\n", "=======\n", ">>>>>>> theirs\n")
NEAR = 6  # lines from a conflict
EDITED = 0.1  # share of the resolutions that are no candidate; the next two figures too as in mined files
TORN = 0.2  # share of the files whose agreed text people edited; 6 % of the conflicts have such an edit near


@dataclass(frozen=True)
class Case:
    """A conflicted file, the candidates and the resolution of each conflict, and the file that results."""

    cut: MergedFile
    candidates: list[list[str]]
    resolutions: list[str]
    merged: str


def made_up(draw: random.Random, count: int, words: int) -> Iterator[tuple[MergedFile, Language]]:
    """Files of `words` different lines in all."""
    vocabulary = [f"word{number} = value\n" for number in range(words - 2)] + ["}\n", "\n"]
    language = language_of("made.ts")
    for _ in range(count):
        parts: list[str | Conflict] = [_words(draw, vocabulary, 12)]
        for _ in range(draw.randint(1, 4)):
            sides = ThreeWay(*(_words(draw, vocabulary, 5) for _ in range(3)))
            parts += [Conflict(sides, MARKERS), _words(draw, vocabulary, 12) or "\n"]
        yield MergedFile(tuple(parts)), language


def mined(path: Path, draw: random.Random, share: float) -> Iterator[tuple[MergedFile, Language]]:
    """The conflicted files of a mined folder, a share of them."""
    for row in read_rows(path, ["path", "conflicted"]):
        if draw.random() < share:
            yield parse_line_merge(row["conflicted"]), language_of(row["path"])


def case_of(cut: MergedFile, language: Language, draw: random.Random) -> Case:
    """One way to resolve a conflicted file, edited around the conflicts half of the time."""
    texts = [[one.text for one in candidates(conflict, language)] for conflict in cut.conflicts]
    around = [line for part in cut.parts if isinstance(part, str) for line in lines_of(part)]
    is_torn = draw.random() < TORN
    resolutions: list[str] = []
    merged: list[str] = []
    position = 0
    for part in cut.parts:
        if isinstance(part, str):
            lines = lines_of(part)
            position += len(lines)
            merged += _torn(lines, around, draw) if is_torn else lines
        else:
            text = _resolution(
                texts[len(resolutions)], around[max(0, position - NEAR) : position + NEAR], draw
            )
            resolutions.append(text)
            merged.append(text)
    return Case(cut, texts, resolutions, "".join(merged))


def _words(draw: random.Random, vocabulary: Sequence[str], most: int) -> str:
    return "".join(draw.choice(vocabulary) for _ in range(draw.randint(0, most)))


def _resolution(texts: Sequence[str], near: Sequence[str], draw: random.Random) -> str:
    text = draw.choice(texts[:2] if draw.random() < 0.6 else texts)
    if draw.random() > EDITED or not text.endswith("\n"):
        return text
    lines = lines_of(text)
    for _ in range(draw.randint(1, 3)):
        at = draw.randint(0, len(lines))
        start = draw.randrange(len(near)) if near else 0
        new = [line for line in near[start : start + draw.randint(1, 4)] if line.endswith("\n")]
        lines[at : at + draw.choice((0, 0, 1))] = draw.choice((new, new, ["rewritten here\n"], []))
    return "".join(lines)


def _torn(lines: Sequence[str], around: Sequence[str], draw: random.Random) -> list[str]:
    """Agreed lines with a few edits inside; what touches a conflict may vanish, but nothing is put there."""
    torn = list(lines)
    for _ in range(draw.randint(0, 1)):
        if len(torn) < 2:
            break
        near = draw.randrange(1, min(NEAR, len(torn) - 1) + 1)
        at = draw.choice((near, len(torn) - near, draw.randrange(1, len(torn))))
        kind = draw.random()
        if kind < 0.3:
            del torn[max(0, at - draw.randint(0, 1)) : at + draw.randint(0, 2)]
        elif kind < 0.5:
            torn[at - 1] = "replaced here\n"
        elif kind < 0.8:
            start = draw.randrange(len(around))
            torn[at:at] = [line for line in around[start : start + draw.randint(1, 4)] if line.endswith("\n")]
        else:
            moved = torn[at - 1 : at + 1]
            del torn[at - 1 : at + 1]
            torn[len(torn) // 2 : len(torn) // 2] = moved
    return torn


def grade_of(found: Location) -> str:
    """The grade that a mined row with this location has."""
    return ConflictExample(0, found.text, found.proof, found.dissent, False, ()).grade


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mined", type=Path, metavar="OUT", help="a mined folder or its Parquet file")
    parser.add_argument("--share", type=float, default=0.02, metavar="S", help="of its files (0.02)")
    parser.add_argument("--files", type=int, default=4000, metavar="N", help="made-up files (4000)")
    parser.add_argument("--words", type=int, default=30, metavar="W", help="different lines in them (30)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of everything drawn (0)")
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    files = (
        mined(arguments.mined, draw, arguments.share)
        if arguments.mined
        else made_up(draw, arguments.files, arguments.words)
    )
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for cut, language in files:
        case = case_of(cut, language, draw)
        for found, truth in zip(
            locations(case.cut, case.merged, case.candidates), case.resolutions, strict=True
        ):
            names = [grade_of(found), verdict(found.proof, found.dissent)] if found else ["not located"]
            is_right = not found or whitespace_key(found.text) == whitespace_key(truth)
            (right if is_right else wrong).update(names)
    report(right, wrong)


def report(right: Counter[str], wrong: Counter[str]) -> None:
    """Prints wrong labels by grade and by who found them."""
    print("| found | labels | wrong | share |\n| --- | ---: | ---: | ---: |")
    others = sorted({*right, *wrong} - {*GRADES, "not located"})
    for name in (*GRADES, *others, "not located"):
        labels = right[name] + wrong[name]
        if labels:
            print(f"| {name} | {labels} | {wrong[name]} | {wrong[name] / labels:.2%} |")


if __name__ == "__main__":
    main()
