"""A merge of forty lines in which both sides changed lines 5 and 25."""

from __future__ import annotations

BASE = "".join(f"line {number}\n" for number in range(40))
OURS = BASE.replace("line 5\n", "ours 5\n").replace("line 25\n", "ours 25\n")
THEIRS = BASE.replace("line 5\n", "theirs 5\n").replace("line 25\n", "theirs 25\n")
