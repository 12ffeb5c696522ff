"""Events written as Raven's selection tables; `label_tracks` reads them."""

from pathlib import Path

import pandas as pd

from seqconv.data.events.raven import RAVEN_END, RAVEN_OFFSET, RAVEN_START
from seqconv.files import is_address

Band = tuple[float, float]
"""Lowest and highest frequency, in Hz."""


def selection_table_text(events: pd.DataFrame, recording: str, band: Band | None = None) -> str:
    """Format the events of one recording as a selection table of Raven.

    Args:
        events: columns `start`, `end` (seconds), `label` and `score`.
        recording: its path.
        band: the frequencies that a selection spans; without them it is one of the waveform.

    >>> events = pd.DataFrame({"start": [0.5], "end": [1.25], "label": ["bird"], "score": [0.75]})
    >>> header, row = selection_table_text(events, "/here/a.wav", (0, 4000)).splitlines()
    >>> header.split("\\t")[:5]
    ['Selection', 'View', 'Channel', 'Begin Time (s)', 'End Time (s)']
    >>> row.split("\\t")[3:]
    ['0.500000', '1.250000', '0.0', '4000.0', '/here/a.wav', '0.500000', 'bird', '0.750000']
    """
    starts, ends = ([f"{seconds:.6f}" for seconds in events[name]] for name in ("start", "end"))
    columns = {
        "Selection": range(1, len(events) + 1),
        "View": "Waveform 1" if band is None else "Spectrogram 1",
        "Channel": 1,
        RAVEN_START: starts,
        RAVEN_END: ends,
        **({} if band is None else {"Low Freq (Hz)": f"{band[0]:.1f}", "High Freq (Hz)": f"{band[1]:.1f}"}),
        "Begin Path": recording if is_address(recording) else str(Path(recording).absolute()),
        RAVEN_OFFSET: starts,
        # A tab or a line break within a label would end the cell.
        "label": [" ".join(str(label).split()) for label in events["label"]],
        "score": [f"{score:.6f}" for score in events["score"]],
    }
    names = list(columns)
    rows = pd.DataFrame(columns, index=range(len(events)))[names].astype(str).to_numpy().tolist()
    return "".join("\t".join(row) + "\n" for row in [names, *rows])
