"""Names of labels that a table has as numbers or codes, from a file beside it."""

from collections.abc import Sequence

import pandas as pd

from seqconv.errors import ManifestError, list_some

_SEPARATORS = ("\t", ",", ";", None)


def name_labels(labels: pd.Series, file: str, lines: Sequence[str]) -> pd.Series:
    """Return the names of labels; what has no label stays so.

    Args:
        labels: text, None where there is none.
        file: where the names are, for messages.
        lines: of the file, each with a label and its name, such as `1 WALKING`; between them is a tab, a comma, a
            semicolon or a space.

    Raises:
        ManifestError: the file names a label twice, or not all of them.
    """
    try:
        names = read_names(lines)
    except ManifestError as error:
        raise ManifestError(f"data.label_names: '{file}' {error}") from error
    unknown = [label for label in labels.dropna().unique() if label not in names]
    if unknown:
        raise ManifestError(
            f"data.label_names: '{file}' has no name for {list_some(unknown)}, only for {list_some(names)}. Add a line "
            "for each, or leave the key out."
        )
    return labels.map(lambda label: names.get(label, label))


def read_names(lines: Sequence[str]) -> dict[str, str]:
    """Return the name of each label.

    Raises:
        ManifestError: a line does not have both, or a label comes twice; without the file.

    >>> read_names(["1 WALKING", "2  SITTING DOWN", ""])
    {'1': 'WALKING', '2': 'SITTING DOWN'}
    """
    rows = [line.strip() for line in lines if line.strip()]
    if not rows:
        raise ManifestError("is empty.")
    separator = next(mark for mark in _SEPARATORS if mark is None or all(mark in row for row in rows))
    pairs = [[cell.strip().strip('"') for cell in row.split(separator, 1)] for row in rows]
    names: dict[str, str] = {}
    for row, pair in zip(rows, pairs, strict=True):
        if len(pair) < 2 or not all(pair):
            raise ManifestError(f"must have a label and its name on each line, such as '1 WALKING', but has '{row}'.")
        if pair[0] in names:
            raise ManifestError(f"has two names for '{pair[0]}': '{names[pair[0]]}' and '{pair[1]}'.")
        names[pair[0]] = pair[1]
    return names
