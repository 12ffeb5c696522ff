"""Published accuracies of others, with their sources: those of `published.yaml`."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from seqconv.config.files import read_yaml

FILE = Path(__file__).with_name("published.yaml")


@dataclass(frozen=True)
class Published:
    """Accuracy by method, then by data set; where the figures of each method are from."""

    accuracy: dict[str, dict[str, float]]
    sources: dict[str, str]

    def of(self, dataset: str) -> dict[str, float]:
        """Return the accuracy of each method that has one on this data set."""
        return {method: values[dataset] for method, values in self.accuracy.items() if dataset in values}


@cache
def read_published() -> Published:
    """Read the file."""
    methods = read_yaml(FILE)
    accuracy = {
        name: {dataset: float(value) for dataset, value in of["accuracy"].items()} for name, of in methods.items()
    }
    return Published(accuracy, {name: of["source"] for name, of in methods.items()})
