"""Files that hold several sequences, each a case: a reader for each format."""

from seqconv.features.cases.formats import (
    FORMATS,
    case_arguments,
    case_columns,
    files_of,
    find_form,
    forget_cases,
    name_form,
    read_cases,
)
from seqconv.features.cases.sequences import Cases

__all__ = [
    "FORMATS",
    "Cases",
    "case_arguments",
    "case_columns",
    "files_of",
    "find_form",
    "forget_cases",
    "name_form",
    "read_cases",
]
