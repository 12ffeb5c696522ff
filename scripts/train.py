"""Train a model: python scripts/train.py --config audio.yaml."""

import sys

from seqconv.cli.commands.train import main

if __name__ == "__main__":
    sys.exit(main())
