from __future__ import annotations

import pytest

from mergebert.git.merge_messages import branches_of


@pytest.mark.parametrize(
    ("message", "ours", "theirs"),
    [
        ("Merge branch 'feature/x' into develop", "develop", "feature/x"),
        ("Merge branch 'x'", None, "x"),
        ("Merge branch 'x' of https://example.org/a/b", None, "x"),
        ("Merge branch 'x' of example.org:a/b into y\n\n# Conflicts:\n#\ta.py", "y", "x"),
        ("Merge remote-tracking branch 'origin/x' into y", "y", "origin/x"),
        ("Merge remote-tracking branch 'upstream/main'", None, "upstream/main"),
        ("Merge remote branch 'origin/x'", None, "origin/x"),
        ("Merge pull request #12 from owner/branch\n\nA title", None, "owner/branch"),
        ("Merge pull request 12 from feature/x into main", "main", "feature/x"),
        ("Merge pull request #12 in P/r from feature/x to main", "main", "feature/x"),
        ("Merge branch 'x' into 'y'\n\nTitle\n\nSee merge request a/b!3", "y", "x"),
        ("Merged in feature/x (pull request #7)", None, "feature/x"),
        ("Pull request #5: Title\n\nMerge in P/r from feature/x to main\n\n* commit", "main", "feature/x"),
        ("Pull request #5: Title", None, None),
        ("Merge commit '0123456789abcdef' into y", "y", None),
        ("Merge commit '0123456789abcdef'", None, None),
        ("Merge tag 'v1.2' into y", "y", "v1.2"),
        ("Merge tag 'v1.2' of git://example.org/a", None, "v1.2"),
        ("Merge branches 'a' and 'b' into c", "c", None),
        ("Merge refs/heads/x into y", "y", "x"),
        ("Merge develop into main", "main", "develop"),
        ("Merged branch x into y", "y", "x"),
        (
            "Merge 0123456789abcdef0123456789abcdef01234567 into 89abcdef0123456789abcdef0123456789abcdef",
            None,
            None,
        ),
        ("Auto merge of #9 - owner:branch, r=someone", None, "owner:branch"),
        ("Merge the new parser into the old one, at last", None, None),
        ("Merge", None, None),
        ("", None, None),
        ("fix\n\nMerge branch 'x' into y", None, None),
        (f"Merge branch '{'x' * 300}' into y", "y", None),
        ("Merge branch 'a\x1bb' into y", "y", None),
    ],
)
def test_the_branches_a_message_names(message: str, ours: str | None, theirs: str | None) -> None:
    assert branches_of(message) == (ours, theirs)
