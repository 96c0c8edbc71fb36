"""The line merge of three texts, byte for byte as git itself makes it within a merge; on the path of every merged file.

`git merge-file` is quick and does what a merge does once it is given the diff algorithm, but for two things it has no
options for. Those, and every merge of a git whose merge-file knows no `--diff-algorithm` (before 2.44), are made by
`blob_merge`.
"""

from __future__ import annotations

import os

from mergebert.git.command import lean_result

TYPE_CHECKING = False  # typing itself costs milliseconds
if TYPE_CHECKING:
    from mergebert.git.blob_merge import Texts
    from mergebert.git.merge_options import MergeOptions

Labels = tuple[str, str, str]  # of base, ours and theirs, as everywhere

# git's own; as in text/marker_lines.py, whose import would cost every merged file 20 ms.
DEFAULT_MARKER_SIZE = 7
_MARKS = b"<|=>"
_BINARY_PROBE = 8000  # git looks for a NUL byte no further than here
LARGEST_MERGE = 500_000_000  # bytes of three versions, and of their merge; a process of ours holds them twice
MOST_CONFLICTS = 127  # git merge-file counts conflicts up to here; above it, it failed
_UNKNOWN_OPTION = 129  # git's exit code for a wrong command line
# More lines without a letter or digit than a merge joins two conflicts over; `git merge-file` joins over any number.
_GAP = rb"(?m)(?:^[^A-Za-z0-9\n]*\n){4}"
# Diff algorithms that this git's merge-file does not know; asking again costs a process.
_refused: set[str] = set()


class ByteMerge:
    """A line merge whose markers are so long that no line of the three texts looks like one; they have no labels yet."""

    __slots__ = ("content", "has_conflicts", "size")

    def __init__(self, content: bytes, has_conflicts: bool, size: int) -> None:
        self.content = content
        self.has_conflicts = has_conflicts
        self.size = size

    def marked(self, labels: Labels, marker_size: int) -> bytes:
        """The merge as it stands in a file, between markers of this size with these labels.

        Raises OSError where that would take all memory there is.
        """
        if not self.has_conflicts:
            return self.content
        longest = marker_size + max(map(len, labels))
        refuse_large(len(self.content) + 4 * longest * self.content.count(b"<" * self.size))
        import re  # not at the top: most merges have no conflict

        base, ours, theirs = (os.fsencode(f" {label}" if label else "") for label in labels)
        behind = {b"<": ours, b"|": base, b"=": b"", b">": theirs}
        pattern = re.compile(rb"^([<|=>])\1{%d}(?: [^\r\n]*)?" % (self.size - 1), re.MULTILINE)
        return pattern.sub(lambda found: found[1] * marker_size + behind[found[1]], self.content)


def byte_merge(
    texts: Texts, options: MergeOptions, files: tuple[str, str, str] | None = None
) -> ByteMerge | None:
    """git's line merge of `texts`, which `files` hold already where these are given; None where git merges them not.

    Raises OSError where there is no room for what has to be written on the way, or for the merge.
    """
    if any(map(is_binary, texts)):
        return None
    size = clear_size(texts)
    # A line can be a conflict of its own, between markers longer than any run of such letters in the texts.
    refuse_large(sum(map(len, texts)) + 4 * size * min(text.count(b"\n") for text in texts[1:]))
    code, content = _by_merge_file(texts, options, size, files)
    if code == _UNKNOWN_OPTION and not options.ignored:
        _refused.add(options.algorithm)
    if code == _UNKNOWN_OPTION or (0 < code <= MOST_CONFLICTS and _joins_more(content, options, size)):
        from mergebert.git.blob_merge import blob_merge  # not at the top: git from 2.44 seldom needs it

        code, content = blob_merge(texts, size, options)
    return ByteMerge(content, code > 0, size) if code <= MOST_CONFLICTS else None


def is_binary(text: bytes) -> bool:
    """Whether git takes `text` for binary; it merges no binary files."""
    return b"\0" in text[:_BINARY_PROBE]


def clear_size(texts: Texts) -> int:
    """A marker size for which no line of `texts` can be taken for a marker."""
    size = DEFAULT_MARKER_SIZE
    while any(bytes([mark]) * size in text for text in texts for mark in _MARKS):
        size += size // 2
    return size


def refuse_large(size: int) -> None:
    """Raises OSError for a merge of so many bytes, where they are more than can be held; git merges it without us."""
    if size > LARGEST_MERGE:
        raise OSError(f"the merge of these files may have more than {LARGEST_MERGE // 1_000_000} MB;")


def _by_merge_file(
    texts: Texts, options: MergeOptions, size: int, files: tuple[str, str, str] | None
) -> tuple[int, bytes]:
    """Exit code and output of `git merge-file`; that of an unknown option where it has none for these options."""
    if options.ignored or options.algorithm in _refused:
        return _UNKNOWN_OPTION, b""
    if files is not None:
        return lean_result(_arguments(options, size, files))
    from mergebert.git.temporary_folder import TemporaryFolder  # git seldom lacks files of the texts

    with TemporaryFolder() as folder:
        names = [os.path.join(folder, name) for name in ("base", "ours", "theirs")]
        for name, text in zip(names, texts, strict=True):
            with open(name, "wb") as file:
                file.write(text)
        return lean_result(_arguments(options, size, (names[0], names[1], names[2])))


def _arguments(options: MergeOptions, size: int, files: tuple[str, str, str]) -> list[str]:
    base, ours, theirs = files
    # Its options know no style for `merge`, and outside of a repository it does not read the setting.
    style = [] if options.style == "merge" else [f"--{options.style}"]
    # Before 2.44 it diffs with Myers and has no option to say so.
    algorithm = [] if options.algorithm == "myers" else [f"--diff-algorithm={options.algorithm}"]
    favoured = [f"--{options.favoured}"] if options.favoured else []
    return [
        *("git", "-c", "merge.conflictStyle=merge", "merge-file", "-q", "-p", f"--marker-size={size}"),
        *(*style, *algorithm, *favoured, "--", ours, base, theirs),
    ]


def _joins_more(content: bytes, options: MergeOptions, size: int) -> bool:
    """Whether `git merge-file` may have joined conflicts that a merge keeps apart, which it does in one style alone."""
    if options.style != "merge":
        return False
    import re

    first, last = content.find(b"<" * size), content.rfind(b">" * size)
    return re.compile(_GAP).search(content, first, last) is not None
