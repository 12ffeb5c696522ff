"""Show what augmentation does, in pictures and sounds: `python scripts/augment.py --config audio.yaml --preview 9`."""

import sys

from seqconv.cli.commands.augment import main

if __name__ == "__main__":
    sys.exit(main())
