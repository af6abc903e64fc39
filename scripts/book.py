"""Build the book: python scripts/book.py makes build/book/en and build/book/zh (--help lists the options)."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # instead of scripts/, where this file would be `book`

from book.build import main  # noqa: E402

if __name__ == "__main__":
    main()
