"""The line merge against the oracle: a real `git merge` of a real repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mergebert.errors import GitError, InputError
from mergebert.git import blob_merge as by_blobs
from mergebert.git import line_merge as line_merges
from mergebert.git.byte_merge import DEFAULT_MARKER_SIZE, byte_merge, clear_size
from mergebert.git.line_merge import line_merge
from mergebert.git.merge_options import MergeOptions
from mergebert.text import marker_lines
from mergebert.text.threeway import ThreeWay

LABELS = ("base", "HEAD", "theirs")
VERSIONS = (b"a\nb\nc\n", b"a\nB\nc\n", b"a\nX\nc\n")
# Myers and histogram find other lines in common here; so do a merge and merge-file, which joins over blank lines.
HISTOGRAM = (b"c\nc\na\n", b"b\nc\na\n", b"b\nc\na\na\nc\n")
GAP = (b"a\n\n\n\n\n\nb\n", b"x\n\n\n\n\n\nx\n", b"y\n\n\n\n\n\ny\n")
# Clean with git's histogram and a conflict with Myers; and the other way round.
CLEAN_IN_GIT = (b"a\nc\nc\n", b"a\nc\n", b"a\na\nc\n")
CONFLICT_IN_GIT = (b"b\na\na\n", b"a\na\n", b"a\nb\na\n")


def shown(versions: tuple[bytes, bytes, bytes], options: MergeOptions, size: int = 7) -> bytes:
    merged = byte_merge(versions, options)
    assert merged is not None
    return merged.marked(LABELS, size)


def gits(repository, versions: tuple[bytes, bytes, bytes], style: str, *options: str) -> bytes:
    """What `git merge` leaves of these versions of one file, with the base labelled as in LABELS."""
    base, ours, theirs = versions
    repository.diverge({"file": base}, {"file": ours}, {"file": theirs})
    done = repository.run("-c", f"merge.conflictStyle={style}", "merge", *options, "theirs")
    assert done.returncode in (0, 1), done.stderr
    common = repository.git("rev-parse", "--short", repository.git("merge-base", "main@{1}", "theirs"))
    return repository.read("file").replace(f"||||||| {common}".encode(), b"||||||| base")


@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
@pytest.mark.parametrize("versions", [VERSIONS, HISTOGRAM, GAP, CLEAN_IN_GIT, CONFLICT_IN_GIT])
def test_it_is_what_a_merge_leaves(repository, versions: tuple[bytes, bytes, bytes], style: str) -> None:
    assert shown(versions, MergeOptions(style=style)) == gits(repository, versions, style)


@pytest.mark.parametrize(
    "options",
    [["theirs"], ["ours"], ["ignore-all-space"], ["ignore-space-change", "theirs"], ["ignore-space-at-eol"]],
)
def test_strategy_options_do_what_they_do_in_a_merge(repository, options: list[str]) -> None:
    versions = (b"a\nb c\nd\ne\n", b"a\nb  c\nD\ne", b"a\nx c\nX\ne  \n")
    flags = [f"-X{option}" for option in options]
    chosen = MergeOptions().with_strategy_options(options)
    assert shown(versions, chosen) == gits(repository, versions, "merge", *flags)


@pytest.mark.parametrize(("versions", "has_conflicts"), [(CLEAN_IN_GIT, False), (CONFLICT_IN_GIT, True)])
def test_a_merge_is_clean_where_it_is_for_git(
    versions: tuple[bytes, bytes, bytes], has_conflicts: bool
) -> None:
    merged = byte_merge(versions, MergeOptions())
    assert merged is not None
    assert merged.has_conflicts == has_conflicts
    by_myers = byte_merge(versions, MergeOptions(algorithm="myers"))
    assert by_myers is not None
    assert by_myers.has_conflicts != has_conflicts


def test_without_posix_spawn_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [shown(versions, MergeOptions()) for versions in (VERSIONS, GAP)]
    monkeypatch.delattr(os, "posix_spawnp")
    assert [shown(versions, MergeOptions()) for versions in (VERSIONS, GAP)] == wanted


@pytest.mark.parametrize("algorithm", ["histogram", "myers", "patience", "minimal"])
def test_files_and_texts_are_merged_alike(tmp_path: Path, algorithm: str) -> None:
    files = [str(tmp_path / name) for name in ("base", "ours", "-theirs")]
    for file, content in zip(files, HISTOGRAM, strict=True):
        Path(file).write_bytes(content)
    options = MergeOptions(algorithm=algorithm)
    named = byte_merge(HISTOGRAM, options, (files[0], files[1], files[2]))
    assert named is not None
    assert named.marked(LABELS, 7) == shown(HISTOGRAM, options)


def test_binary_texts_are_not_merged() -> None:
    for place in range(3):
        versions = [*VERSIONS]
        versions[place] = b"\0"
        assert byte_merge((versions[0], versions[1], versions[2]), MergeOptions()) is None
        ignoring = MergeOptions(ignored=frozenset({"ignore-all-space"}))
        assert byte_merge((versions[0], versions[1], versions[2]), ignoring) is None


@pytest.mark.parametrize("size", [1, 7, 15, 300])
def test_markers_have_the_size_asked_for_and_text_stays(size: int) -> None:
    versions = (b"a\n", b"<<<<<<< x\n=======\n", b">>>>>>>>>>>>>>>>>>>>\r\n|||||||\n")
    found = shown(versions, MergeOptions(style="diff3"), size)
    lines = [b"<" * size + b" HEAD\n", versions[1], b"|" * size + b" base\n", versions[0]]
    assert found == b"".join([*lines, b"=" * size + b"\n", versions[2], b">" * size + b" theirs\n"])


def test_markers_of_crlf_files_end_in_crlf() -> None:
    found = shown((b"a\r\n", b"b\r\n", b"c\r\n"), MergeOptions(style="diff3"), 9)
    assert found.count(b"\r\n") == found.count(b"\n") == 7


@pytest.mark.parametrize("text", [b"", b"<" * 7, b"=" * 10, b"|" * 1000, b"x" + b">" * 80])
def test_a_clear_size_is_in_no_text(text: bytes) -> None:
    size = clear_size((b"", text, b"a\n"))
    assert size >= 7
    assert not any(mark * size in text for mark in (b"<", b"|", b"=", b">"))


def test_markers_have_one_default_size() -> None:
    assert DEFAULT_MARKER_SIZE == marker_lines.DEFAULT_MARKER_SIZE == 7


def test_nothing_stays_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for options in (
        MergeOptions(),
        MergeOptions(algorithm="patience", ignored=frozenset({"ignore-all-space"})),
    ):
        by_blobs.blob_merge(GAP, 9, options)
    assert list(tmp_path.iterdir()) == []


def test_a_temporary_folder_that_takes_nothing_is_not_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = by_blobs.blob_merge(GAP, 9, MergeOptions())
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    assert by_blobs.blob_merge(GAP, 9, MergeOptions()) == wanted
    monkeypatch.chdir(tmp_path)
    make_folder, taken = os.mkdir, []

    def only_here(path: str, mode: int = 0o777) -> None:
        if not path.startswith(f"{tmp_path}/mergebert-"):
            raise PermissionError(path)
        taken.append(path)
        make_folder(path, mode)

    monkeypatch.setattr(os, "mkdir", only_here)
    assert by_blobs.blob_merge(GAP, 9, MergeOptions()) == wanted
    assert taken
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_the_user_reaches_the_repository_of_a_merge(
    isolated_git: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = by_blobs.blob_merge(VERSIONS, 9, MergeOptions())
    (isolated_git / ".config" / "git").mkdir(parents=True)
    (isolated_git / ".config" / "git" / "attributes").write_text("* merge=union conflict-marker-size=30\n")
    with (isolated_git / ".gitconfig").open("a") as config:
        config.write("[merge]\n\tconflictStyle = zdiff3\n\tdefault = binary\n[core]\n\tautocrlf = true\n")
    monkeypatch.chdir(isolated_git)
    Path(".gitattributes").write_text("* merge=union conflict-marker-size=30\n")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    assert by_blobs.blob_merge(VERSIONS, 9, MergeOptions()) == wanted
    ignoring = MergeOptions(algorithm="patience", ignored=frozenset({"ignore-all-space"}))
    assert by_blobs.blob_merge(VERSIONS, 9, ignoring)[0] == 1


def test_without_room_for_the_repository_the_system_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, mode: int = 0o777) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(PermissionError, match="mergebert-"):
        by_blobs.blob_merge(VERSIONS, 9, MergeOptions())


def test_a_merge_that_would_take_all_memory_is_left_to_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conflicts between markers of millions of letters, whether asked for or because a line has as many."""
    merged = byte_merge(VERSIONS, MergeOptions())
    assert merged is not None
    with pytest.raises(OSError, match="more than 500 MB"):
        merged.marked(LABELS, 200_000_000)
    with pytest.raises(OSError, match="more than 500 MB"):
        merged.marked(("", "", "x" * 200_000_000), 7)
    lines = b"".join(b"%d\n" % number for number in range(1000))
    base, ours, theirs = VERSIONS
    with pytest.raises(OSError, match="more than 500 MB"):
        byte_merge((base, ours + lines, theirs + lines + b"=" * 200_000), MergeOptions())
    with pytest.raises(GitError, match=r"more than 500 MB\)\.$"):
        line_merge(ThreeWay("", lines.decode(), "=" * 200_000 + "\n" * 1000))


def test_countless_conflicts_are_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_merges, "MOST_CONFLICTS", 3)
    texts = [
        "".join(f"{side}\n" + "".join(f"{at} {line}\n" for line in range(5)) for at in range(4))
        for side in "abc"
    ]
    with pytest.raises(InputError, match="more than 3 conflicts"):
        line_merge(ThreeWay(*texts))
