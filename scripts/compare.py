"""Compare runs: python scripts/compare.py RUN OTHER_RUN."""

import sys

from seqconv.cli.commands.compare import main

if __name__ == "__main__":
    sys.exit(main())
