"""`mergebert merge`: what git runs once for every file that both sides changed.

The first act is git's own line merge, put into the result in one step. Only if conflicts are left in it is a
child process started that loads the model; whatever becomes of that child, the result is what git would have
written. This module is on the path of every merged file, so at its top it imports next to nothing.

Exit codes: 0 merged, 1 conflicts left. Where nothing could be written at all it is 255, as with
`git merge-file`: git then stops, while up to 128 it would take ours for the result and drop theirs unseen.
"""

from __future__ import annotations

import os

from mergebert.atomic import overwrite, replace_file, write_all, write_atomically
from mergebert.git.command import MOST_CONFLICTS, LineMerge

TYPE_CHECKING = False  # typing itself costs milliseconds
if TYPE_CHECKING:
    from mergebert.settings import Settings

MERGED, CONFLICTS, USAGE, NOTHING_WRITTEN = 0, 1, 129, 255  # 129 is git's own for a wrong command line
MARKER_SIZE = 7  # git's default
SIZE_LIMIT = 10_000_000  # bytes of one version; beyond it nobody wrote the file by hand
_BINARY_PROBE = 8000  # git looks for a NUL byte no further than here
_DEFAULT_LABELS = ("base", "ours", "theirs")

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

    def __init__(self, values: dict[str, str], flags: set[str], files: tuple[str, str, str]) -> None:
        self.files = files  # base, ours, theirs
        self.target = files[1] if "git" in flags else values.get("output")
        self.in_git = "git" in flags
        self.path = values.get("path") or values.get("output") or files[1]
        self.marker_size = _marker_size(values.get("marker_size", ""))
        self.style = "diff3" if "diff3" in flags else ""
        self.max_error = values.get("max_error")
        given = [values.get(f"{side}_label", "") for side in _DEFAULT_LABELS]
        self.labels = _labels(given, _fallback_labels() if self.in_git else files)


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
    except Exception as error:
        _say(f"nothing was written: {_reason(error)} see to it and merge again.")
        return NOTHING_WRITTEN


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
    sides = [_small_file(file) for file in request.files]  # now, because the result may take the place of one
    line_merge = LineMerge(request.files, request.labels, request.marker_size)
    if request.target is None:
        code, shown = line_merge.content(request.style)
        is_replaced = True
    else:
        code, is_replaced = _place(line_merge, request.target, request.style)
        shown = b""
    if code > MOST_CONFLICTS:
        return _unmergeable(request)
    if code and not is_replaced:
        _say(f"the folder of {request.target} takes no new file, so git's own conflicts are left.")
    if code and is_replaced and None not in sides and os.environ.get("MERGEBERT") != "0":
        return _resolve(request, tuple(side or b"" for side in sides), shown)
    if request.target is None:
        write_all(1, shown)
    return CONFLICTS if code else MERGED


def _place(line_merge: LineMerge, target: str, style: str) -> tuple[int, bool]:
    """git's exit code, with its line merge in `target`, and whether `target` could be replaced in one step.

    Above MOST_CONFLICTS `target` is as it was. Raises OSError, `target` as it was, where there is no room.
    """
    codes: list[int] = []

    def write(output: int) -> None:
        codes.append(line_merge.write_to(output, style))
        if codes[-1] > MOST_CONFLICTS:
            raise OSError("git merge-file failed")

    try:
        replace_file(target, write)
    except OSError:
        # A folder that takes no new files, a full disk, or files git does not merge: this tells them apart.
        code, content = line_merge.content(style)
        if code <= MOST_CONFLICTS:
            overwrite(target, content)
        return code, False
    return codes[-1], True


def _unmergeable(request: MergeRequest) -> int:
    """The exit code for files git does not merge: of binary ones it keeps ours, a conflict, and so do we."""
    with open(request.files[1], "rb") as file:
        ours = file.read()
    if not any(_is_binary(file) for file in request.files):
        _say("nothing was written: git merge-file could not merge these files.")
        return NOTHING_WRITTEN
    if request.target is None:
        write_all(1, ours)
    elif not request.in_git:
        write_atomically(request.target, ours)
    _say(f"{request.path} is binary: ours is kept; choose a version by hand.")
    return CONFLICTS


def _resolve(request: MergeRequest, sides: tuple[bytes, ...], shown: bytes) -> int:
    """The exit code after the model saw the conflicts; whatever goes wrong, git's line merge stays."""
    code, content = CONFLICTS, shown
    try:
        if request.target is not None:
            with open(request.target, "rb") as file:
                shown = file.read()
        answer = _supervised_answer(request, sides, shown)
        if answer:
            code, content = _applied(request, answer)
    except (Exception, KeyboardInterrupt) as error:
        _say(f"{_reason(error)} git's own conflicts are left.")
    if request.target is None:
        write_all(1, content)
    return code


def _applied(request: MergeRequest, answer: bytes) -> tuple[int, bytes]:
    """The exit code and content of the result, after writing the child's answer to it and to the journal."""
    import json

    resolved = json.loads(answer)
    content: bytes = resolved["text"].encode("utf-8")
    if request.target is not None:
        write_atomically(request.target, content)
    code = CONFLICTS if resolved["left"] else MERGED
    shown = f"resolved {resolved['resolved']} of {resolved['resolved'] + resolved['left']} conflicts in {request.path}"
    try:
        write_atomically(resolved["journal"], resolved["entry"].encode("utf-8"))
        _say(f"{shown}; `mergebert review {resolved['id']}` shows how.")
    except (OSError, KeyboardInterrupt):
        _say(f"{shown}; it could not be noted for `mergebert review`.")
    return code, content


def _supervised_answer(request: MergeRequest, sides: tuple[bytes, ...], shown: bytes) -> bytes:
    """What the child makes of the conflicts; where anything fails in it, it tells the user why."""
    from mergebert.driver.child import answer_of
    from mergebert.settings import load_settings

    settings = load_settings({"max_error": request.max_error})

    def task() -> bytes:
        try:
            return _answer(request, sides, shown, settings)
        except BaseException as error:
            _say(f"{_reason(error)} git's own conflicts are left.")
            return b""

    return answer_of(task, settings.timeout, lambda: _give_up(request, shown))


def _answer(request: MergeRequest, sides: tuple[bytes, ...], shown: bytes, settings: Settings) -> bytes:
    """The resolved text and the journal entry for it, as JSON; empty where there is none."""
    import json

    from mergebert.driver.resolved_merge import MergeJob, resolved_merge
    from mergebert.text.threeway import ThreeWay

    job = MergeJob(
        request.path,
        ThreeWay(*sides),
        shown,
        request.labels,
        request.marker_size,
        request.style,
        request.in_git,
    )
    resolved = resolved_merge(job, settings)
    if resolved is None:
        return b""
    from pathlib import Path

    from mergebert.driver.journal import encoded, journal_folder, new_entry, place_for

    entry = new_entry(job, resolved)
    try:
        place = str(place_for(entry, journal_folder(Path.cwd())))
    except OSError:
        place = ""
    count = len(resolved.resolutions)
    answer = {"text": resolved.text, "left": resolved.left, "resolved": count, "id": entry.id}
    return json.dumps({**answer, "journal": place, "entry": encoded(entry).decode("utf-8")}).encode("utf-8")


def _give_up(request: MergeRequest, shown: bytes) -> None:
    """Ends this process because the time is up; only where there is no child to end."""
    if request.target is None:
        write_all(1, shown)
    _say("the model took longer than mergebert.timeout allows; git's own conflicts are left.")
    os._exit(CONFLICTS)


def _marker_size(text: str) -> int:
    """The marker size asked for; git's default for what is none, such as a placeholder left as it was."""
    return int(text) if text.isdecimal() and int(text) else MARKER_SIZE


def _labels(given: list[str], fallback: tuple[str, ...]) -> tuple[str, str, str]:
    """The labels for base, ours and theirs. Before 2.44 git passes `%S`, `%X` and `%Y` on as they stand."""
    base, ours, theirs = (
        label if label and label not in ("%S", "%X", "%Y") else other
        for label, other in zip(given, fallback, strict=True)
    )
    return base, ours, theirs


def _fallback_labels() -> tuple[str, str, str]:
    """What to call the versions when git does not say: its own words where it merges one branch."""
    heads = [value for name, value in os.environ.items() if name.startswith("GITHEAD_")]
    return ("base", "HEAD", heads[0]) if len(heads) == 1 else _DEFAULT_LABELS


def _small_file(path: str) -> bytes | None:
    """The content of a file, or None for one that is too large for the model."""
    if os.path.getsize(path) > SIZE_LIMIT:
        return None
    if not os.path.isfile(path):
        raise OSError(f"{path} is not a regular file;")  # git merge-file takes a pipe for an empty file
    with open(path, "rb") as file:
        return file.read()


def _is_binary(path: str) -> bool:
    with open(path, "rb") as file:
        return b"\0" in file.read(_BINARY_PROBE)


def _reason(error: BaseException) -> str:
    """Why it went wrong, as the beginning of a sentence."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted;"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror};" if error.filename else f"{error.strerror};"
    from mergebert.driver.child import ChildError
    from mergebert.errors import MergebertError

    if isinstance(error, MergebertError | ChildError | OSError):
        return str(error)
    return "not enough memory;" if isinstance(error, MemoryError) else f"{type(error).__name__}: {error};"


def _say(sentence: str) -> None:
    """One line for the user; standard output belongs to the result and to git."""
    try:  # noqa: SIM105 - contextlib costs milliseconds
        os.write(2, f"mergebert: {sentence}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass  # nobody listens
