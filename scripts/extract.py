"""Extract features into a store: `python scripts/extract.py --config audio.yaml`."""

import sys

from seqconv.cli.commands.extract import main

if __name__ == "__main__":
    sys.exit(main())
