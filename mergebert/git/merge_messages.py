"""The branches that the message of a merge commit names, as git, hosting sites and people write it."""

from __future__ import annotations

import re

Branches = tuple[str | None, str | None]  # ours, theirs
LONGEST = 250  # characters of a branch's name; git's own limit is that of a file name

_QUOTED = r"""['"`‘“](?P<theirs>[^'"`’”]+)['"`’”]"""
_INTO = r"""(?: into ['"`]?(?P<ours>[^\s'"`]+)['"`]?)?"""
_OF = r"(?: of \S+)?"
_NAME = r"[^\s'\"]+"
_FORMS = tuple(
    re.compile(form)
    for form in (
        # git: Merge branch 'x' of URL into y; remote-tracking branches and tags alike; GitLab: into 'y'.
        rf"Merged? (?:remote-tracking |remote |local )?(?:branch|tag) {_QUOTED}{_OF}{_INTO}",
        rf"Merged? (?:remote-tracking )?(?:commit|commits|branches|tags) .*?(?: into ['\"`]?(?P<ours>{_NAME})['\"`]?)$",
        # GitHub, Azure and Bitbucket.
        rf"Merge pull request #?\d+ (?:in \S+ )?from (?P<theirs>{_NAME})(?: (?:in)?to (?P<ours>{_NAME}))?",
        rf"Merged in (?P<theirs>{_NAME}) \(pull request #\d+\)",
        rf"Auto merge of #\d+ - (?P<theirs>{_NAME}), r=",
        # People.
        rf"Merg(?:e|ed|ing) (?:branch |from )?(?P<theirs>{_NAME}) (?:in)?to (?:branch )?(?P<ours>{_NAME})$",
        rf"Merge (?:remote )?branch (?P<theirs>{_NAME})$",
    )
)
_BITBUCKET_SERVER = re.compile(rf"^Merge in \S+ from (?P<theirs>{_NAME}) to (?P<ours>{_NAME})$", re.MULTILINE)
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


def branches_of(message: str) -> Branches:
    """The branch merged into and the branch merged (a tag counts as one), None where the message names none."""
    subject, _, body = message.partition("\n")
    for form in _FORMS:
        found = form.match(subject.strip())
        if found:
            return _named(found)
    if subject.startswith("Pull request #"):
        found = _BITBUCKET_SERVER.search(body)
        return _named(found) if found else (None, None)
    return None, None


def _named(found: re.Match[str]) -> Branches:
    names = found.groupdict()
    return _branch(names.get("ours")), _branch(names.get("theirs"))


def _branch(name: str | None) -> str | None:
    """The name of a branch; None for what is no name: a commit, a sentence, an address."""
    name = (name or "").removeprefix("refs/heads/").removeprefix("refs/remotes/").rstrip(".,:;")
    if not name or len(name) > LONGEST or _COMMIT.fullmatch(name) or "://" in name or not name.isprintable():
        return None
    return name
