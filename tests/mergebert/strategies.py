"""Generated conflicts: sides that share much with their base, in lines of few different tokens."""

from __future__ import annotations

from hypothesis import strategies as st

from mergebert.text.markers import Conflict, Markers, MergedFile
from mergebert.text.threeway import ThreeWay

MARKERS = Markers("<<<<<<< ours\n", "||||||| base\n", "=======\n", ">>>>>>> theirs\n")

# Every token stands behind a blank, so that no side can differ from another by white space alone.
SPACED_LINES = [
    " }\n",
    " a = b ;\n",
    " a = c ;\n",
    " call ( a , b ) ;\n",
    " call ( a , b , c ) ;\n",
    " import x ;\n",
    " import y ;\n",
    " // note a b\n",
    " return 1 ;\n",
]
TIGHT_TOKENS = ["a", "b", "1", ".", "+", "=", "(", ")", ";", ",", "/", " ", "\n", "\n"]
SMALL_KEYS = st.lists(st.sampled_from("abcd"), max_size=12)


def conflict_of(base: str, ours: str, theirs: str) -> Conflict:
    return Conflict(ThreeWay(base, ours, theirs), MARKERS)


def _ended(tokens: list[str]) -> str:
    """A text that ends a line, as every section of a conflict does."""
    text = "".join(tokens)
    return text if not text or text.endswith("\n") else text + "\n"


spaced_texts = st.lists(st.sampled_from(SPACED_LINES), max_size=7).map("".join)
tight_texts = st.lists(st.sampled_from(TIGHT_TOKENS), max_size=14).map(_ended)
key_triples = st.builds(ThreeWay, SMALL_KEYS, SMALL_KEYS, SMALL_KEYS)


@st.composite
def edited_keys(draw: st.DrawFn) -> ThreeWay[list[str]]:
    """Keys of a base and of two sides that each come from it by a few edits."""
    base = draw(st.lists(st.sampled_from("abcdefgh"), max_size=16))
    return ThreeWay(base, _edited(draw, base), _edited(draw, base))


def _edited(draw: st.DrawFn, base: list[str]) -> list[str]:
    keys = list(base)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(keys)))
        end = min(len(keys), start + draw(st.integers(0, 3)))
        keys[start:end] = draw(st.lists(st.sampled_from("abcdefghxyz"), max_size=3))
    return keys


spaced_conflicts = st.builds(conflict_of, spaced_texts, spaced_texts, spaced_texts)
tight_conflicts = st.builds(conflict_of, tight_texts, tight_texts, tight_texts)
conflicts = spaced_conflicts | tight_conflicts


@st.composite
def merged_files(draw: st.DrawFn) -> MergedFile:
    """A file of agreed code and one to three conflicts."""
    parts: list[str | Conflict] = []
    for _ in range(draw(st.integers(1, 3))):
        agreed = draw(spaced_texts)
        parts += [agreed] if agreed else []
        parts.append(draw(conflicts))
    agreed = draw(spaced_texts)
    return MergedFile((*parts, agreed) if agreed else tuple(parts))
