"""Look inside a model: python scripts/inspect_model.py RUN/model.keras."""

import sys

from seqconv.cli.commands.inspect import main

if __name__ == "__main__":
    sys.exit(main())
