"""Compare runs: python scripts/compare.py RUN OTHER_RUN."""

import sys

from seqconv.commands.compare import main

if __name__ == "__main__":
    sys.exit(main())
