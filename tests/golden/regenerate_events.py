"""Write events1.json: random events, and what sed_eval 0.2.1 says of them.

    pip install --no-deps sed_eval==0.2.1 && python tests/golden/regenerate_events.py

sed_eval's last version is of 2018. Of its dependency dcase_util, of 2019, it needs a list of events, which stands here.
"""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np

CLASSES = ["bark", "song", "bell"]
SECONDS, SEGMENT, COLLAR = 30.0, 1.0, 0.2


class Row(dict):
    """An event, by key and by attribute."""

    __getattr__ = dict.__getitem__


class Rows(list):
    """The list that dcase_util.containers.MetaDataContainer is to sed_eval."""

    def __init__(self, rows=()):
        super().__init__(Row(row) for row in rows)

    unique_files = property(lambda self: sorted({row["filename"] for row in self}))
    unique_event_labels = property(lambda self: sorted({row["event_label"] for row in self}))
    max_offset = property(lambda self: max((row["offset"] for row in self), default=0.0))

    def filter(self, filename=None, event_label=None, **_):
        """Those of a file, or of a class."""
        return Rows(
            row for row in self if filename in (None, row["filename"]) and event_label in (None, row["event_label"])
        )


def stand_in():
    """A dcase_util that holds lists of events alone."""
    module = ModuleType("dcase_util")
    module.containers = SimpleNamespace(MetaDataContainer=Rows)
    module.ui = SimpleNamespace(FancyStringifier=lambda: None)
    sys.modules["dcase_util"] = module


def draw(generator, name):
    """True events of a recording, and what somebody found: shifted, missed, and made up."""
    truth, found = [], []
    for _ in range(12):
        start, length = generator.uniform(0, SECONDS - 4), generator.uniform(0.1, 3)
        label = CLASSES[generator.integers(len(CLASSES))]
        truth.append((name, start, start + length, label))
        if generator.random() < 0.75:
            shift, end = generator.normal(scale=0.15), generator.normal(scale=0.4)
            found.append((name, max(start + shift, 0), start + length + abs(end), label))
    for _ in range(4):
        start = generator.uniform(0, SECONDS - 4)
        found.append((name, start, start + 1.0, CLASSES[generator.integers(len(CLASSES))]))
    return ([(each[0], round(each[1], 3), round(each[2], 3), each[3]) for each in rows] for rows in (truth, found))


def main():
    """Write the file beside this script."""
    stand_in()
    import sed_eval.sound_event as sed

    generator = np.random.default_rng(0)
    names = ["one", "two", "three"]
    truth, found = zip(*(draw(generator, name) for name in names), strict=True)
    by_segment = sed.SegmentBasedMetrics(CLASSES, time_resolution=SEGMENT)
    by_event = sed.EventBasedMetrics(CLASSES, t_collar=COLLAR, percentage_of_length=0.5)
    for rows in zip(truth, found, strict=True):
        lists = [
            [{"filename": n, "onset": s, "offset": e, "event_onset": s, "event_offset": e, "event_label": label}
             for n, s, e, label in each]
            for each in rows
        ]  # fmt: skip
        by_segment.evaluate(*lists, evaluated_length_seconds=SECONDS)
        by_event.evaluate(*lists)
    scores = {
        "segment_f1": by_segment.overall_f_measure()["f_measure"],
        "segment_macro_f1": by_segment.results_class_wise_average_metrics()["f_measure"]["f_measure"],
        "event_f1": by_event.overall_f_measure()["f_measure"],
        "event_macro_f1": by_event.results_class_wise_average_metrics()["f_measure"]["f_measure"],
        "event_precision": by_event.overall_f_measure()["precision"],
        "event_recall": by_event.overall_f_measure()["recall"],
    }
    values = {"seconds": SECONDS, "classes": CLASSES, "segment": SEGMENT, "collar": COLLAR, "scores": scores}
    values |= {"truth": truth, "found": found}
    path = Path(__file__).with_name("events1.json")
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    print(scores)


if __name__ == "__main__":
    main()
