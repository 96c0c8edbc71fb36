"""Three texts merged by git as it merges the files of a commit, in a repository made for nothing else.

`git merge-file` has no option for the diff algorithm before 2.44, none for white space to this day, and joins
conflicts a little more eagerly than a merge does. So the texts become three commits in a temporary folder, out
of reach of every setting and attribute of the user's, and git merges these. Where git is older than 2.44 this is
on the path of every merged file: importing `tempfile` and `subprocess` would cost as much as the merge.
"""

from __future__ import annotations

import os
import zlib

from mergebert.git.command import lean_result
from mergebert.git.pack import Pack
from mergebert.git.temporary_folder import TemporaryFolder

TYPE_CHECKING = False  # typing itself costs milliseconds
if TYPE_CHECKING:
    from mergebert.git.merge_options import MergeOptions

_NAME = b"text"
_ENTRY = b"100644 %s\0" % _NAME
_ATTRIBUTES = b"* merge=text conflict-marker-size=%d -text -ident -filter -working-tree-encoding\n"
_UNKNOWN_OPTION = 129  # git's exit code for a wrong command line

Texts = tuple[bytes, bytes, bytes]  # base, ours and theirs, as everywhere


def blob_merge(texts: Texts, marker_size: int, options: MergeOptions) -> tuple[int, bytes]:
    """git's exit code, 0 clean and 1 with conflicts, and the merge; the labels of its markers mean nothing.

    Above 1 git failed, and there is no merge. Raises OSError where there is no room for the repository.
    """
    with TemporaryFolder() as folder:
        return _merge_in(_Repository(folder, options.style, marker_size), texts, options)


def _merge_in(repository: _Repository, texts: Texts, options: MergeOptions) -> tuple[int, bytes]:
    base, ours, theirs = repository.commits(texts)
    code, output = _UNKNOWN_OPTION, b""
    if options.algorithm == "histogram":  # the one `git merge-tree` takes before 2.47, whatever is asked
        given = [f"-X{option}" for option in options.strategy_options()]
        code, output = repository.git("merge-tree", "--write-tree", "-z", *given, ours, theirs)
    if code == _UNKNOWN_OPTION:  # before 2.43 it takes no strategy options at all
        return repository.merged_in_work_tree(base, ours, theirs, options)
    return code, repository.text_of(output[:40].decode("ascii")) if code <= 1 else b""


class _Repository:
    """A repository in a folder of its own; its objects are written here, which saves nine processes."""

    def __init__(self, folder: str, style: str, marker_size: int) -> None:
        self.folder = folder
        self.style = style
        self.pack = Pack()
        for name in ("refs", "pack"):  # as few as can be: on a busy disk, removing one takes milliseconds
            os.mkdir(os.path.join(folder, name))
        self._write("HEAD", b"ref: refs/heads/none\n")
        self._write("attributes", _ATTRIBUTES % marker_size)

    def git(self, *arguments: str) -> tuple[int, bytes]:
        """Exit code and output of a git command that sees this repository and nothing of the user's."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        if "GIT_EXEC_PATH" in os.environ:  # the git that runs us, where several are installed
            kept["GIT_EXEC_PATH"] = os.environ["GIT_EXEC_PATH"]
        own = {
            "GIT_DIR": self.folder,
            "GIT_OBJECT_DIRECTORY": self.folder,
            "GIT_WORK_TREE": self.folder,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_MERGE_VERBOSITY": "0",
        }
        attributes = os.path.join(self.folder, "attributes")
        settings = ["-c", f"merge.conflictStyle={self.style}", "-c", f"core.attributesFile={attributes}"]
        # Elsewhere git would read the .gitattributes of the folder that it stands in.
        return lean_result(["git", "-C", self.folder, *settings, *arguments], {**kept, **own})

    def commits(self, texts: Texts) -> tuple[str, str, str]:
        """The ids of three commits whose only file holds these texts, the first the parent of the others."""
        base = self._commit(texts[0], "")
        parent = f"parent {base}\n"
        names = base, self._commit(texts[1], parent), self._commit(texts[2], parent)
        self.pack.write(os.path.join(self.folder, "pack"))
        return names

    def text_of(self, tree: str) -> bytes:
        """The text of the only file of a tree."""
        entry = self._content(tree)
        return self._content(entry.removeprefix(_ENTRY)[:20].hex())

    def merged_in_work_tree(
        self, base: str, ours: str, theirs: str, options: MergeOptions
    ) -> tuple[int, bytes]:
        """The same by the oldest of git's merge commands that takes strategy options; it needs index and work tree."""
        self._write("HEAD", ours.encode() + b"\n")
        code, _ = self.git("read-tree", "--reset", "-u", ours)
        if code:
            return 128, b""
        given = [f"diff-algorithm={options.algorithm}", *options.strategy_options()]
        code, _ = self.git("merge-recursive", *(f"--{option}" for option in given), base, "--", ours, theirs)
        if code > 1:
            return code, b""
        with open(os.path.join(self.folder, os.fsdecode(_NAME)), "rb") as file:
            return code, file.read()

    def _commit(self, text: bytes, parents: str) -> str:
        """The id of a commit whose only file holds `text`."""
        blob = self.pack.add("blob", text)
        tree = self.pack.add("tree", _ENTRY + bytes.fromhex(blob))
        who = "mergebert <mergebert> 0 +0000"
        return self.pack.add("commit", f"tree {tree}\n{parents}author {who}\ncommitter {who}\n\n\n".encode())

    def _content(self, name: str) -> bytes:
        """The content of an object: one of ours, or one that git has written because there was none."""
        if name in self.pack.contents:
            return self.pack.contents[name]
        with open(os.path.join(self.folder, name[:2], name[2:]), "rb") as file:
            return zlib.decompress(file.read()).partition(b"\0")[2]

    def _write(self, name: str, content: bytes) -> None:
        with open(os.path.join(self.folder, name), "wb") as file:
            file.write(content)
