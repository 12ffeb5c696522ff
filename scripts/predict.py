"""Predict for recordings: python scripts/predict.py --model RUN/model.keras FILE_OR_FOLDER..."""

import sys

from seqconv.cli.commands.predict import main

if __name__ == "__main__":
    sys.exit(main())
