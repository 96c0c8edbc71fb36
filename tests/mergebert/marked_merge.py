"""The line merge of three texts as it would stand in a file."""

from __future__ import annotations

from mergebert.git.byte_merge import Labels, byte_merge
from mergebert.git.merge_options import MergeOptions
from mergebert.text.threeway import ThreeWay


def marked_merge(texts: ThreeWay[bytes], labels: Labels, marker_size: int, style: str = "diff3") -> bytes:
    """git's merge of `texts`, conflicts in this style or, where it is empty, in the default one."""
    merged = byte_merge((texts.base, texts.ours, texts.theirs), MergeOptions(style=style or "merge"))
    assert merged is not None
    return merged.marked(labels, marker_size)
