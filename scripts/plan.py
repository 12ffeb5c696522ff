"""Show lengths and what each way of batching would cost: `python scripts/plan.py --config audio.yaml`."""

import sys

from seqconv.cli.commands.plan import main

if __name__ == "__main__":
    sys.exit(main())
