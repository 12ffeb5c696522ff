"""Search for settings: python scripts/tune.py --config audio.yaml --space space.yaml."""

import sys

from seqconv.cli.commands.tune import main

if __name__ == "__main__":
    sys.exit(main())
