"""`python -m seqconv COMMAND`: the command line without an installed script."""

import sys

from seqconv.cli.main import main

sys.exit(main())
