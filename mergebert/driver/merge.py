"""`mergebert merge`: what git runs once for every file that both sides changed.

The first act is git's own line merge, put into the result in one step. Only if conflicts are left in it is a
child process started that loads the model; whatever becomes of that child, the result is what git would have
written. This module is on the path of every merged file, so at its top it imports next to nothing.

Exit codes: 0 merged, 1 conflicts left. Where nothing could be written at all it is 255, as with
`git merge-file`: git then stops, while up to 128 it would take ours for the result and drop theirs unseen.
What was written is newer than theirs; where nothing is, the registered line knows that the driver failed.
"""

from __future__ import annotations

import os

from mergebert.atomic import overwrite, refuse_links, replace_file, write_all, write_atomically
from mergebert.git.byte_merge import (
    DEFAULT_MARKER_SIZE,
    LARGEST_MERGE,
    ByteMerge,
    Labels,
    byte_merge,
    is_binary,
    refuse_large,
)
from mergebert.git.caller import git_caller, is_made_anew, is_read_only, is_shown_again
from mergebert.git.config import config_entries, values_in_force
from mergebert.git.merge_options import DIFF3, MERGE_CONFIG, MYERS, MergeOptions, options_of
from mergebert.regular_files import LARGEST_TEXT, bytes_in

TYPE_CHECKING = False  # typing itself costs milliseconds
if TYPE_CHECKING:
    from collections.abc import Mapping

    from mergebert.git.blob_merge import Texts
    from mergebert.settings import Settings

# 129 is git's own for a wrong command line.
MERGED, CONFLICTS, USAGE, INTERRUPTED, NOTHING_WRITTEN = 0, 1, 129, 130, 255
LARGEST_MARKER = 1_000_000  # a repository's attributes can ask for more, and for all memory there is
_TWO_SECONDS = 2_000_000_000  # in nanoseconds; no file system that git runs on tells times less finely

HELP = """\
usage: mergebert merge BASE OURS THEIRS [-o OUT | --git] [-p PATH] [options]

Merges three versions of one file: git's own line merge first, then every conflict it is sure of is resolved.
Without -o and --git the result goes to standard output.

  -o, --output OUT         write the result here
  --git                    write the result into OURS, as git expects of a merge driver
  -p, --path PATH          the file's name in the repository; its ending tells the language
  -l, --marker-size SIZE   length of the conflict markers (default 7)
  -s, --base-label LABEL   name of the base in conflict markers
  -x, --ours-label LABEL   name of ours
  -y, --theirs-label LABEL name of theirs
  --diff3                  show the base in conflicts, whatever merge.conflictStyle says
  --max-error E            accept a resolution only where the share of wrong ones stays below E (default 0.05)
  -h, --help               show this text

exit code: 0 merged, 1 conflicts left. MERGEBERT=0 in the environment leaves it at git's line merge.

example:
  mergebert merge base.py ours.py theirs.py -o merged.py -p src/app.py
"""

_VALUED = {
    "-o": "output",
    "--output": "output",
    "-p": "path",
    "--path": "path",
    "-l": "marker_size",
    "--marker-size": "marker_size",
    "-s": "base_label",
    "--base-label": "base_label",
    "-x": "ours_label",
    "--ours-label": "ours_label",
    "-y": "theirs_label",
    "--theirs-label": "theirs_label",
    "--max-error": "max_error",
}
_FLAGS = {"--git": "git", "--diff3": "diff3", "-h": "help", "--help": "help"}


class MergeRequest:
    """What the command line asks for."""

    def __init__(self, values: dict[str, str], flags: set[str], files: Labels) -> None:
        self.files = files  # base, ours, theirs
        self.target = files[1] if "git" in flags else values.get("output")
        self.in_git = "git" in flags
        self.path = values.get("path") or values.get("output") or files[1]
        self.marker_size = _marker_size(values.get("marker_size", ""))
        self.style = DIFF3 if "diff3" in flags else ""
        self.max_error = values.get("max_error")
        self.labels = tuple(values.get(f"{side}_label", "") for side in ("base", "ours", "theirs"))

    def stamp(self, file: int) -> None:
        """Makes the result newer than theirs, which is how the registered line knows that something was written."""
        if self.in_git and os.utime in os.supports_fd:
            written = max(os.stat(file).st_mtime_ns, os.stat(self.files[2]).st_mtime_ns + _TWO_SECONDS)
            os.utime(file, ns=(written, written))


class DriverMerge:
    """A merge of one file: what was asked for, its three versions, and how git merges them here."""

    def __init__(self, request: MergeRequest) -> None:
        self.request = request
        self.caller = (git_caller() or ()) if request.in_git else ()
        self.texts = base, _, _ = _contents(request.files)
        if request.in_git and _is_remembered(base, request.marker_size):
            # Whatever command replays a resolution, git merges it as `git rerere` does.
            self.caller = ("rerere",)
        self.config = config_entries(rf"mergebert\.|{MERGE_CONFIG}")  # in one question: each costs a process
        options = options_of(self.caller, values_in_force(self.config))
        self.is_replay = is_shown_again(self.caller)
        if is_made_anew(self.caller):
            self.is_replay, options = True, MergeOptions(MYERS, style=options.style)
        self.options = options.with_style(request.style) if request.style else options

    def line_merge(self) -> ByteMerge | None:
        """git's own line merge; None where git does not merge these files."""
        is_plain = os.devnull not in self.request.files
        return byte_merge(self.texts, self.options, self.request.files if is_plain else None)

    def with_bases(self) -> ByteMerge:
        """The same with the base of every conflict, made of the texts: the result may stand in a file by now."""
        merged = byte_merge(self.texts, self.options.with_style(DIFF3))
        if merged is None:
            raise OSError("git could not merge these files again;")
        return merged

    def labels(self) -> Labels:
        """The labels of conflicts: those given, or else what git would write."""
        request = self.request
        given = [label if label not in ("%S", "%X", "%Y") else "" for label in request.labels]
        if request.in_git and not any(given):
            from mergebert.git.labels import labels_of

            return labels_of(self.caller, request.path, self.texts, values_in_force(self.config))
        # git gives a version without a name an empty label.
        others = ("", "", "") if request.in_git else request.files
        base, ours, theirs = (one or other for one, other in zip(given, others, strict=True))
        return base, ours, theirs


def main(argv: list[str]) -> int:
    """The exit code of `mergebert merge ARGV`."""
    try:
        request = _request(argv)
    except ValueError as error:
        _say(f"{error} `mergebert merge --help` shows how it is called.")
        return USAGE
    if request is None:
        print(HELP, end="")
        return MERGED
    try:
        return _merge(request)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        after = "git merges without us." if request.in_git else "see to it and merge again."
        _say(f"nothing was written: {_reason(error)} {after}")
        return NOTHING_WRITTEN


def _is_remembered(base: bytes, marker_size: int) -> bool:
    """Whether git merges a conflict that it remembers: its base is such a conflict then, the markers without labels."""
    if b"<" * marker_size + b"\n" not in base:
        return False
    from mergebert.git.notes import is_preimage

    return is_preimage(base)


def _request(argv: list[str]) -> MergeRequest | None:
    """The command line as a request, None where it asks for help; raises ValueError for nonsense."""
    values: dict[str, str] = {}
    flags: set[str] = set()
    files: list[str] = []
    rest = list(reversed(argv))
    while rest:
        word = rest.pop()
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if word == "--":
            files += reversed(rest)
            break
        if name in _VALUED:
            if not equals and not rest:
                raise ValueError(f"{name} needs a value.")
            values[_VALUED[name]] = value if equals else rest.pop()
        elif word in _FLAGS:
            flags.add(_FLAGS[word])
        elif word.startswith("-") and word != "-":
            raise ValueError(f"there is no option {word}.")
        else:
            files.append(word)
    if "help" in flags:
        return None
    if len(files) != 3:
        raise ValueError(f"merge takes three files, BASE OURS THEIRS, and not {len(files)}.")
    if "git" in flags and "output" in values:
        raise ValueError("--git writes into OURS and -o elsewhere: give one of them.")
    return MergeRequest(values, flags, (files[0], files[1], files[2]))


def _merge(request: MergeRequest) -> int:
    """The exit code of a merge; raises only while nothing has been written."""
    if request.target is not None and not request.in_git:
        refuse_links(request.target)
    merge = DriverMerge(request)
    merged = merge.line_merge()
    if merged is None:
        return _unmerged(merge)
    labels = merge.labels() if merged.has_conflicts else ("", "", "")
    shown = merged.marked(labels, request.marker_size)
    is_replaced = request.target is None or _write_result(request, shown)
    if merged.has_conflicts and not is_replaced:
        _say(f"the folder of {request.target} takes no new file, so git's own conflicts are left.")
    elif merged.has_conflicts and _is_for_the_model(merge):
        return _resolve(merge, merged, labels, shown)
    if request.target is None:
        write_all(1, shown)
    return CONFLICTS if merged.has_conflicts else MERGED


def _is_for_the_model(merge: DriverMerge) -> bool:
    """Whether the model is asked at all: it is switched on, a merge is made, and the versions are such as people write."""
    return (
        os.environ.get("MERGEBERT") != "0"
        and not merge.is_replay
        and max(map(len, merge.texts)) <= LARGEST_TEXT
    )


def _write_result(request: MergeRequest, content: bytes) -> bool:
    """Puts the merge into the result; whether in one step. Raises OSError, the result as it was, where there is no room."""
    target = request.target or ""
    try:
        replace_file(target, content, request.stamp)
    except OSError:  # a folder that takes no new files, or a full disk
        overwrite(target, content, request.stamp)
        return False
    return True


def _unmerged(merge: DriverMerge) -> int:
    """The exit code for files git does not merge: of binary ones it keeps the favoured side, or ours as a conflict."""
    if not any(map(is_binary, merge.texts)):
        raise OSError("git could not merge these files;")
    request, favoured = merge.request, merge.options.favoured
    kept = merge.texts[2] if favoured == "theirs" else merge.texts[1]
    if request.target is None:
        write_all(1, kept)
    else:
        _write_result(request, kept)
    if favoured:
        return MERGED
    _say(f"{request.path} is binary to git, so ours is kept: `mergebert solve` tells how to go on.")
    return CONFLICTS


def _resolve(merge: DriverMerge, merged: ByteMerge, labels: Labels, shown: bytes) -> int:
    """The exit code after the model saw the conflicts; whatever goes wrong, git's line merge stays."""
    code, content = CONFLICTS, shown
    try:
        output = _child_output(merge, merged, labels, shown)
        if output:
            code, content = _code_and_content(merge.request, output)
    except (Exception, KeyboardInterrupt) as error:
        _say(f"{_reason(error)} git's own conflicts are left.")
    if merge.request.target is None:
        write_all(1, content)
    return code


def _code_and_content(request: MergeRequest, output: bytes) -> tuple[int, bytes]:
    """The exit code and content of the result, after writing the child's output to it and to the journal."""
    import json

    resolved = json.loads(output)
    content: bytes = resolved["text"].encode("utf-8")
    if request.target is not None:
        replace_file(request.target, content, request.stamp)
    # The last act, on the bytes written: whatever the model says, a marker is a conflict.
    code = CONFLICTS if resolved["left"] or _has_marker(content, request.marker_size) else MERGED
    total = resolved["resolved"] + resolved["left"]
    _say(f"resolved {resolved['resolved']} of {total} conflicts in {request.path}{_review(resolved)}")
    return code, content


def _review(resolved: Mapping[str, str]) -> str:
    """The end of the sentence on what was resolved, after noting it; a replay that changes nothing has none."""
    if "id" not in resolved:
        return "."
    try:
        if resolved["journal"]:
            write_atomically(resolved["journal"], resolved["entry"].encode("ascii"))
            return f"; `mergebert review {resolved['id']}` shows how."
    except (OSError, KeyboardInterrupt):
        pass
    return "; it could not be noted for `mergebert review`."


def _has_marker(content: bytes, size: int) -> bool:
    """Whether a line opens or closes a conflict; no version has such a line, or the model would not have been asked."""
    import re

    return re.search(rb"(?m)^(?:<{%d}|>{%d})(?: |\r?$)" % (size, size), content) is not None


def _child_output(merge: DriverMerge, merged: ByteMerge, labels: Labels, shown: bytes) -> bytes:
    """What the child makes of the conflicts; where anything fails in it, it tells the user why."""
    from mergebert.driver.child import output_of
    from mergebert.settings import load_settings

    settings = load_settings({"max_error": merge.request.max_error}, entries=merge.config)
    with_bases = merge.with_bases()  # here, for a child that is killed would leave what it is made in

    def task() -> bytes:
        try:
            return _resolved_json(merge, (merged, with_bases), labels, settings)
        except BaseException as error:
            _say(f"{_reason(error)} git's own conflicts are left.")
            return b""

    return output_of(task, settings.timeout, lambda: _give_up(merge.request, shown))


def _resolved_json(
    merge: DriverMerge, merged: tuple[ByteMerge, ByteMerge], labels: Labels, settings: Settings
) -> bytes:
    """The resolved text and the journal entry for it, as JSON; empty where there is none.

    `merged` is the line merge as it is shown, and with every base.
    """
    from mergebert.driver.resolved_merge import MergeJob, resolved_merge
    from mergebert.strict_json import json_text
    from mergebert.text.threeway import ThreeWay

    request = merge.request
    job = MergeJob(
        path=request.path,
        sides=ThreeWay(*merge.texts),
        line_merge=merged[0],
        with_bases=merged[1],
        labels=labels,
        marker_size=request.marker_size,
        options=merge.options,
        in_git=request.in_git,
        caller=merge.caller,
    )
    resolved = resolved_merge(job, settings)
    if resolved is None:
        return b""
    count = len(resolved.resolutions)
    fields: dict[str, object] = {"text": resolved.text, "left": resolved.left, "resolved": count}
    if not is_read_only(merge.caller):
        from mergebert.driver.resolved_merge import journal_fields

        fields |= journal_fields(job, resolved)
    return json_text(fields).encode("ascii")


def _give_up(request: MergeRequest, shown: bytes) -> None:
    """Ends this process because the time is up; only where there is no child to end."""
    if request.target is None:
        write_all(1, shown)
    _say("the model took longer than mergebert.timeout allows; git's own conflicts are left.")
    os._exit(CONFLICTS)


def _marker_size(text: str) -> int:
    """The marker size asked for; git's default for what is none, such as a placeholder left as it was."""
    size = int(text) if text.isdecimal() and len(text) < 10 else 0
    if size > LARGEST_MARKER:
        raise ValueError(f"a marker of {size} characters is longer than {LARGEST_MARKER}.")
    return size or DEFAULT_MARKER_SIZE


def _contents(files: Labels) -> Texts:
    """The contents of the three versions; the null device is an empty file, as everywhere in git."""
    refuse_large(sum(map(os.path.getsize, files)))
    base, ours, theirs = (b"" if path == os.devnull else bytes_in(path, LARGEST_MERGE) for path in files)
    return base, ours, theirs


def _reason(error: BaseException) -> str:
    """Why it went wrong, as the beginning of a sentence."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted;"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror};" if error.filename else f"{error.strerror};"
    from mergebert.driver.child import ChildError
    from mergebert.errors import MergebertError

    if isinstance(error, MergebertError):
        return str(error).removesuffix(".") + ";"
    if isinstance(error, ChildError | OSError):
        return str(error)
    return "not enough memory;" if isinstance(error, MemoryError) else f"{type(error).__name__}: {error};"


def _say(sentence: str) -> None:
    """One line for the user; standard output belongs to the result and to git."""
    shown = "".join(one if one.isprintable() else repr(one)[1:-1] for one in sentence)
    try:  # noqa: SIM105 - contextlib costs milliseconds
        os.write(2, f"mergebert: {shown}\n".encode())
    except OSError:
        pass  # nobody listens
