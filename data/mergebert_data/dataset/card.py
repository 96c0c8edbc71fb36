"""The card of a dataset: a README.md with the metadata that dataset hubs read and the figures that people ask for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mergebert
from mergebert.atomic import Draft
from mergebert.example import GRADES
from mergebert.markdown import markdown_table
from mergebert_data.dataset.agreement import NOT_LOCATED
from mergebert_data.dataset.card_counts import CardCounts
from mergebert_data.dataset.pictures import draw
from mergebert_data.dataset.splits import DEVELOPMENT, SPLITS, TEST, TRAIN
from mergebert_data.history.licences import UNKNOWN

PICTURES = "pictures"
FOLDERS = {TRAIN: "train", DEVELOPMENT: "validation", TEST: "test"}  # the names a hub of datasets knows
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LEAST_SHARE = 0.0005  # of patterns worth a line

_MINED = """\
## How it was mined

Every two-parent merge of the repositories was replayed with `git merge-tree`; the conflicts are those of git's own merge
of the file, in the diff3 style. Where the resolution stands in the committed file was looked for by three methods that
work on different grounds: by alignment of the lines around it (`aligned`), by the shortest context that stands once in
the file (`unique`), and by candidate resolution (`candidate`). What they agree on is the `grade`: {grades}. What no
method could prove has no `resolution`: it was not guessed.

`patterns` names every way in which our candidates make the resolution, white space aside. `duplicate` flags content
that stands in the data already, equal or nearly; where two copies stand in different splits, the training copy is the
one flagged. Splits go by repository; forks and repositories that share files stay together.
"""
_FLAT = "Each row is one conflict: `base`, `ours`, `theirs`, the lines around it, `resolution`, labels and provenance."
_NESTED = "Each row of `examples.parquet` is one file with its versions, its conflicts nested in `conflicts`."
_GRADES = {
    "a": "all three agree",
    "b": "two agree and none dissents",
    "c": "one alone, and none dissents",
    "d": "one dissents",
}
_BIASES = """\
## Known biases

- Only what people committed is known, not whether it was right: a resolution may be a mistake that was mended later.
- Merges that were squashed or rebased left no merge commit and are missing; so are conflicts in files that a side
  added, deleted or renamed, in generated and vendored files, and in files that are no UTF-8 or larger than 1 MB.
- Public repositories that merge a lot are over-represented, and so are the few of them with most conflicts ({largest}).
- Resolutions near other edits are located less often than lonely ones, so the hardest conflicts are rarer here than in
  life.
- Conflicts of one merge are alike: count a few of each merge, not all, when measuring.
- Author times and branch names are those of public history; texts may name people who wrote or are named in code.
"""


@dataclass(frozen=True, slots=True)
class Card:
    """What a card holds besides counts of its data: title, counts of mining, formats of the files, what was left out."""

    title: str
    mined: Mapping[str, int]
    formats: tuple[str, ...] = ()
    left_out: str = ""


def write_card(folder: Path, figures: CardCounts, card: Card, *, has_pictures: bool) -> None:
    """Writes README.md into a folder, and the pictures it shows beside it."""
    drawn = draw(figures, folder / PICTURES) if has_pictures else []
    folder.mkdir(parents=True, exist_ok=True)
    with Draft(folder / "README.md") as temporary:
        temporary.write_text(card_text(figures, card, [path.name for path in drawn]), encoding="utf-8")


def card_text(figures: CardCounts, card: Card, pictures: Sequence[str] = ()) -> str:
    """The whole card."""
    shown = {name.partition(".")[0]: f"![{name.partition('.')[0]}]({PICTURES}/{name})" for name in pictures}
    sections = [
        _front_matter(figures, card),
        f"# {card.title}",
        _summary(figures, card),
        f"## Conflicts\n\n{_splits(figures)}",
        shown.get("splits"),
        f"## What people made of them\n\n{_patterns(figures)}",
        shown.get("patterns"),
        f"## How surely they are located\n\n{_grades(figures)}",
        shown.get("grades"),
        f"## Licences\n\n{_licences(figures)}",
        _MINED.format(grades=", ".join(f"`{grade}` {_GRADES[grade]}" for grade in GRADES)),
        _BIASES.format(largest=_largest(figures)),
        f"Made with mergebert {mergebert.__version__}.",
    ]
    return "\n\n".join(section.strip() for section in sections if section) + "\n"


def _front_matter(figures: CardCounts, card: Card) -> str:
    """The YAML that dataset hubs read; all values but the title are plain words and need no quotes."""
    size = next((name for most, name in _SIZES if figures.totals["conflicts"] < most), "1M<n<10M")
    lines = [
        f'pretty_name: "{card.title}"',
        "license: other",
        "language:\n- code",
        "task_categories:\n- text-generation\n- text-classification",
        "tags:\n- code\n- merge-conflicts\n- git",
        f"size_categories:\n- {size}",
    ]
    if "parquet" in card.formats:
        files = "".join(
            f"\n  - split: {folder}\n    path: {folder}/*.parquet"
            for split, folder in FOLDERS.items()
            if any(of_language[split] for of_language in figures.splits.values())
        )
        lines.append(f"configs:\n- config_name: default\n  data_files:{files}")
    return "---\n" + "\n".join(lines) + "\n---"


def _summary(figures: CardCounts, card: Card) -> str:
    total = figures.totals
    text = (
        f"{total['conflicts']:,} conflicts of {len(figures.repositories):,} git repositories in "
        f"{len(figures.languages)} languages, {total['located']:,} of them with the resolution people committed; "
        f"{total['duplicates']:,} repeat the content of another. {_FLAT if card.formats else _NESTED}"
    )
    if card.mined:
        text += f" They come from {card.mined.get('merges', 0):,} merges that were replayed."
    if card.left_out:
        text += f" Left out: {card.left_out}."
    if card.formats:
        text += (
            "\n\n```python\nfrom datasets import load_dataset\n\n"
            'files = {name: f"FOLDER/{name}/*.parquet" for name in ("train", "validation", "test")}\n'
            'conflicts = load_dataset("parquet", data_files=files)\n```'
        )
    return text


def _splits(figures: CardCounts) -> str:
    repositories = {split: Counter[str]() for split in SPLITS}
    for repository, split in figures.split_of.items():
        repositories[split].update(figures.repositories[repository].keys())
    rows = []
    for language in figures.languages:
        counts = figures.splits[language]
        cells = (f"{counts[split]} ({repositories[split][language]})" for split in SPLITS)
        rows.append((language, *cells, f"{counts.total()}"))
    total = sum(figures.splits.values(), Counter[str]())
    held = Counter(figures.split_of.values())
    cells = (f"{total[split]} ({held[split]})" for split in SPLITS)
    rows.append(("all", *cells, f"{total.total()}"))
    header = ("language", *(f"{FOLDERS[split]} (repositories)" for split in SPLITS), "all")
    return markdown_table(header, rows)


def _patterns(figures: CardCounts) -> str:
    total = sum(figures.patterns.values(), Counter[str]())
    languages = [name for name in figures.languages if figures.patterns.get(name)]
    rows = [
        (pattern, *(_share(figures.patterns[name][pattern], figures.patterns[name]) for name in languages),
         _share(count, total))
        for pattern, count in total.most_common()
        if count >= _LEAST_SHARE * total.total()
    ]  # fmt: skip
    what = "Distinct located conflicts, by the first pattern that makes the resolution."
    return f"{what}\n\n{markdown_table(('pattern', *languages, 'all'), rows)}"


def _grades(figures: CardCounts) -> str:
    names = (*GRADES, NOT_LOCATED)
    total = sum(figures.grades.values(), Counter[str]())
    rows = [
        (language, *(_share(counts[name], counts) for name in names), f"{counts.total()}")
        for language, counts in (
            *((name, figures.grades[name]) for name in figures.languages),
            ("all", total),
        )
    ]
    return markdown_table(("language", *names, "conflicts"), rows)


def _licences(figures: CardCounts) -> str:
    rows = [
        (name, f"{counts['repositories']}", f"{counts['conflicts']}")
        for name, counts in figures.by_licence().items()
    ]
    what = (
        "Each row names the licence of its repository as its licence files read at the newest commit when it was "
        f"mined; where several are named, which applies to what is for a person to read. `{UNKNOWN}` is not a "
        "permission."
    )
    names = sorted(figures.repositories)
    names_listed = "\n".join(f"- {name}: {figures.licences[name]}" for name in names)
    table = markdown_table(("licence", "repositories", "conflicts"), rows)
    return f"{what}\n\n{table}\n\n<details><summary>Repositories</summary>\n\n{names_listed}\n\n</details>"


def _largest(figures: CardCounts) -> str:
    sizes = Counter({name: languages.total() for name, languages in figures.repositories.items()})
    share = sum(count for _, count in sizes.most_common(5)) / max(1, sizes.total())
    return f"the five largest hold {share:.0%} of all conflicts"


def _share(part: int, whole: Counter[Any]) -> str:
    return f"{part / whole.total():.1%}" if whole.total() else "-"
