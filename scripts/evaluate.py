"""Score a model: python scripts/evaluate.py --model RUN/model.keras."""

import sys

from seqconv.cli.commands.evaluate import main

if __name__ == "__main__":
    sys.exit(main())
