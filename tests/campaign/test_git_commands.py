"""Git commands as people type them, by git alone and with the driver, its model off; every byte has to be the same."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mergebert.git.command import git_version
from tests.campaign.plain_git import installed
from tests.conftest import Repository
from tests.e2e.driver_program import plain_program

START = """\
ci() { git add -A; git commit -q --allow-empty -m "$1"; }
text() { printf '1\\n%s\\n3\\n4\\n5\\n' "$1"; }
"""
DIVERGED = """\
text 2 > f.py; ci base; git branch topic
text ours > f.py; ci ours
git checkout -q topic; text theirs > f.py; ci 'theirs title'; git checkout -q main
"""
CONFLICTED_THEN_ADDED = f"{DIVERGED}git merge topic; echo done > f.py; git add f.py\n"
MANY_LINES = f"{DIVERGED}git checkout -q topic; git commit -q --amend -m 'one\ntwo'; git checkout -q main\n"
ROOT = f"{DIVERGED}git checkout -q --orphan other; echo x > f.py; ci root; git checkout -q main\n"
DIFF3 = "git config merge.conflictStyle diff3\n"
TWENTY_LINES = """\
seq 1 20 > f.py; ci base; git branch topic
git mv f.py g.py; sed -i s/^5$/ours/ g.py; ci ours
git checkout -q topic; sed -i s/^5$/theirs/ f.py; ci theirs; git checkout -q main
"""
SUBTREE = f"""\
{DIFF3}git init -q lib; cd lib; text 2 > f.py; ci lib; cd ..
echo lib > .gitignore; ci first; git fetch -q lib main
git merge -q -s ours --no-commit --allow-unrelated-histories FETCH_HEAD
git read-tree --prefix=sub/ -u FETCH_HEAD; git commit -qm sub
cd lib; text theirs > f.py; ci theirs; cd ..; text ours > sub/f.py; ci ours; git fetch -q lib main
"""
SERIES = """\
text 2 > f.py; ci base; git branch topic; text ours > f.py; ci ours; git checkout -q topic
for name in one two three; do text $name > f.py; ci $name; done; git checkout -q main
"""
STOPPED = f"{SERIES}git cherry-pick topic~2 topic~1; git reset -q --hard\n"
ON = "text x > f.py; git add f.py; git"
REMEMBERED = """\
git config rerere.enabled true; long() { text "$1" > f.py; echo "$2" >> f.py; }
long 2 'x y'; ci base; git branch topic; long ours 'x y'; ci ours
git checkout -q topic; long theirs 'x y'; ci theirs; git checkout -q main
git merge topic; long resolved 'x z'; git commit -qam merged; git reset -q --hard HEAD~1
"""
SCRIPTS = {
    "a key behind -S": f"{DIVERGED}git merge --no-commit -S3AA5C34371567BDF -X ours topic",
    "a key with m": f"{DIVERGED}git cherry-pick -n -SABCm -X theirs topic",
    "pull of a side": f"{DIVERGED}git pull -q --no-rebase -X ours . topic",
    "pull with a rebase": f"{DIVERGED}git pull -q --rebase -X theirs . topic",
    "an alias of a side": f"{DIVERGED}git config alias.m 'merge -X ours'; git m topic",
    "the message is no option": f"{DIVERGED}git merge --message -Xours topic",
    "a linked git": f'{DIVERGED}ln -s "$(command -v git)" ../g; ../g merge -X ours topic',
    "a copied git": f'{DIVERGED}cp "$(command -v git)" ../g; ../g merge -X ours topic',
    "checkout PATH after add": f"{CONFLICTED_THEN_ADDED}git checkout -m f.py",
    "checkout -- PATH after add": f"{CONFLICTED_THEN_ADDED}git checkout --conflict diff3 -- f.py",
    "checkout PATH below the top": """\
mkdir d; text 2 > d/f.py; ci base; git branch topic; text ours > d/f.py; ci ours
git checkout -q topic; text theirs > d/f.py; ci theirs; git checkout -q main
git merge topic; cd d; echo done > f.py; git add f.py; rm f.py; git checkout -m f.py""",
    "restore PATH after add": f"{CONFLICTED_THEN_ADDED}git restore -m f.py",
    "checkout of a remote's branch": f"""\
{DIVERGED}git update-ref refs/remotes/origin/feature topic; git config remote.origin.url x
git config remote.origin.fetch '+refs/heads/*:refs/remotes/origin/*'
git checkout -q main~1; text local > f.py; git checkout -m feature""",
    "revert with an option behind": f"""\
{DIVERGED}git checkout -q topic; text more > f.py; ci more; git revert HEAD~1 --no-edit""",
    "pick with an option behind": f"{DIVERGED}git cherry-pick topic -x",
    "pick of the branch before": f"{DIVERGED}git checkout -q topic; git checkout -q main; git cherry-pick -",
    "pick of many lines": f"{MANY_LINES}git cherry-pick topic",
    "rebase of many lines": f"{MANY_LINES}git rebase main topic",
    "pick of a subject with blanks": f"""\
{DIVERGED}git checkout -q topic
printf '\\n\\n  two  blanks \\nmore\\n' | git commit -q --amend --cleanup=verbatim -F -
git checkout -q main; git cherry-pick topic""",
    "pick by a word of the message": f"{DIVERGED}git cherry-pick :/theirs",
    "pick in another encoding": f"""\
{DIVERGED}git checkout -q topic
printf 'caf\\351\\n' | git -c i18n.commitEncoding=latin1 commit -q --amend -F -; git checkout -q main
git config i18n.logOutputEncoding latin1; git cherry-pick topic""",
    "pick with a noted one": f"""\
{DIVERGED}git checkout -q topic; echo n > n; ci n; text last > f.py; ci last
git checkout -q main; git cherry-pick topic~2 topic; git reset -q --hard; git cherry-pick -x topic""",
    "pick of three and on": f"{SERIES}git cherry-pick topic~2 topic~1 topic; {ON} cherry-pick --continue",
    "pick of three but the first": f"{SERIES}git cherry-pick topic~2 topic~1 topic; git cherry-pick --skip",
    "pick of the last two": f"{SERIES}git cherry-pick -2 topic",
    "pick of at most two": f"{SERIES}git cherry-pick --max-count=2 topic",
    "pick of all there is": f"{SERIES}git cherry-pick --do-walk topic",
    "pick of a range of one": f"{SERIES}git cherry-pick topic~1..topic",
    "pick of a commit without its parents": f"{SERIES}git cherry-pick topic^!",
    "pick beside a stopped one": f"{STOPPED}git cherry-pick topic; {ON} cherry-pick --continue",
    "pick of several beside a stopped one": f"{STOPPED}git cherry-pick topic~1 topic",
    "pick of the branch before beside a stopped one": f"""\
{STOPPED}git checkout -q topic; git checkout -q main; git cherry-pick -n -""",
    "revert beside a stopped pick": f"{STOPPED}git revert --no-edit HEAD~1",
    "revert of two and on": f"""\
{SERIES}git checkout -q topic; git revert --no-edit HEAD~2 HEAD~1; {ON} revert --continue""",
    "pick by a strategy of its own": f"{DIFF3}{DIVERGED}git cherry-pick --strategy=subtree topic",
    "revert of a merge": f"""\
{DIVERGED}git merge -q -s ours topic; text more > f.py; ci more; git revert HEAD~1 -m 2 --no-edit""",
    "pick of the root": f"{DIFF3}{ROOT}git cherry-pick other",
    "rebase of the root": f"{DIFF3}{ROOT}git rebase --root --onto main other",
    "both add, an empty file elsewhere": """\
mkdir p; : > p/empty.py; ci base; git branch topic; echo 1 > new.py; ci ours
git checkout -q topic; echo 2 > new.py; ci theirs; git checkout -q main; git merge topic""",
    "a renamed file had a copy": f"""\
{DIFF3}seq 1 20 > f.py; cp f.py same.py; ci base; git branch topic
git mv f.py g.py; sed -i s/^5$/ours/ g.py; ci ours
git checkout -q topic; sed -i s/^5$/theirs/ f.py; ci theirs; git checkout -q main; git merge topic""",
    "renamed, by sha256": f"git init -q --object-format=sha256 s; cd s\n{TWENTY_LINES}git merge topic",
    "-X subtree": f"{SUBTREE}git merge -X subtree=sub FETCH_HEAD",
    "-s subtree": f"{SUBTREE}git merge -s subtree FETCH_HEAD",
    "-X subtree of a branch": f"{SUBTREE}git config branch.main.mergeOptions -Xsubtree=sub; git merge FETCH_HEAD",
    "rebase of a merge": f"""\
{DIFF3}seq 1 9 > f.py; ci base; git checkout -q -b topic; sed -i s/^2/t/ f.py; ci topic
git checkout -q -b side main; sed -i s/^8/s/ f.py; ci side; git merge -q --no-ff topic -m merged
git checkout -q -b up main; echo u > u; ci up; git checkout -q side
echo '/^merge/i exec sed -i s/^2/x/ f.py && git commit -qam x' > ../edit
GIT_SEQUENCE_EDITOR='sed -i -f ../edit' git rebase -i --rebase-merges up""",
    "notes": f"""\
{DIFF3}{DIVERGED}git notes add -m base; git update-ref refs/notes/x refs/notes/commits
git notes add -f -m ours; git notes --ref=x add -f -m theirs; git notes merge -s manual x
cat .git/NOTES_MERGE_WORKTREE/*""",
    "a remembered resolution": f"{REMEMBERED}git merge topic",
    "-X for a remembered resolution": f"""\
{REMEMBERED}long ours 'x  y'; ci blanks; git merge -X ignore-space-change topic""",
}


@dataclass(frozen=True)
class Left:
    """What a script left: its output and exit code, the index, and the bytes of every file."""

    code: int
    output: bytes
    index: str
    files: dict[str, bytes]


@pytest.fixture
def left_by(tmp_path: Path, make_repository: Callable[..., Repository]) -> Callable[[str, str], Left]:
    """A function that runs a script in a new repository, with or without the driver."""
    program = shlex.quote(str(plain_program(tmp_path / "bin")))
    settings = installed(program, git_version())

    def left(script: str, name: str) -> Left:
        repository = make_repository(f"{name}/repository")
        for key, value in settings.items() if name == "driver" else ():
            repository.git("config", "--global", key, value)
        repository.git("config", "core.abbrev", "7")
        dates = {f"GIT_{who}_DATE": "@1 +0000" for who in ("AUTHOR", "COMMITTER")}
        done = subprocess.run(
            ["sh", "-c", START + script],
            cwd=repository.path,
            env={**os.environ, **dates, "GIT_EDITOR": "true", "MERGEBERT": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        files = (path for path in repository.path.rglob("*") if path.is_file() and ".git" not in path.parts)
        contents = {str(path.relative_to(repository.path)): path.read_bytes() for path in files}
        return Left(done.returncode, done.stdout, repository.git("ls-files", "-s"), contents)

    return left


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_command_leaves_what_git_leaves(script: str, left_by: Callable[[str, str], Left]) -> None:
    alone = left_by(script, "alone")
    assert left_by(script, "driver") == alone


def test_without_the_words_of_a_merge_its_labels_are_those_of_a_file(
    left_by: Callable[[str, str], Left],
) -> None:
    if git_version() < (2, 39):
        pytest.skip("merge-tree has no --stdin yet")
    script = f"""{DIVERGED}found=$(printf 'main topic\\n' | git merge-tree --stdin | tr '\\0' '\\n')
git cat-file -p "$(echo "$found" | sed -n 2p):f.py" """
    names = (b"ours", b"theirs") if git_version() < (2, 44) else (b"main", b"topic")
    left = left_by(script, "driver")
    assert left.output == b"1\n<<<<<<< %s\nours\n=======\ntheirs\n>>>>>>> %s\n3\n4\n5\n" % names
