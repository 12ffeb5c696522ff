"""Write a first config for a folder of recordings: `python scripts/init_config.py FOLDER`."""

import sys

from seqconv.cli.commands.init import main

if __name__ == "__main__":
    sys.exit(main())
