"""Write the report of a run, or compare several: `python scripts/report.py runs/audio-20260101-120000`."""

import sys

from seqconv.cli.commands.report import main

if __name__ == "__main__":
    sys.exit(main())
