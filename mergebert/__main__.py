"""`python -m mergebert`."""

import os
import sys

# `-m` puts the current folder first on sys.path. git runs us inside the repository being merged, which may
# hold an `argparse.py` of its own: nothing there may be imported. (`python -P` never adds it.)
try:
    here = ["", os.getcwd()]
except OSError:  # it was deleted, and nothing was put first
    here = [""]
if not sys.flags.safe_path and sys.path and sys.path[0] in here:
    del sys.path[0]

from mergebert.cli import main

if __name__ == "__main__":
    sys.exit(main())
