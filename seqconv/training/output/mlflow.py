"""MLflow: settings, scores and files of a run, also of one that was resumed."""

import math
import os
import time
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import keras

from seqconv.config import Config
from seqconv.errors import ConfigError
from seqconv.parts.keys import flatten
from seqconv.training.output.callbacks import StateOfAttributes
from seqconv.training.state.interrupts import RunStopped

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

FOLDER_TAG = "seqconv.run_dir"
ARTIFACTS = (
    "config.yaml", "versions.json", "splits.csv", "history.csv", "metrics.json", "predictions.csv", "model.keras",
    "model.json", "report.html",
)  # fmt: skip
MOST_PARAMS = 100
LONGEST_VALUE = 500
"""Limits of MLflow: values in one call, and letters of one parameter."""


@runtime_checkable
class RunListener(Protocol):
    """A callback for a run as a whole: its folder, and its end."""

    def on_run_begin(self, config: Config, path: Path) -> None:
        """Handle the start or resumption of training; the state from a checkpoint has been restored."""

    def on_run_end(self, metrics: Mapping[str, Any], path: Path) -> None:
        """Handle the end of the run: it is trained and scored, and its folder is complete."""

    def on_run_failed(self, error: BaseException) -> None:
        """Handle a run that has failed, or was stopped."""


class MLflowLogger(StateOfAttributes, keras.callbacks.Callback):  # type: ignore[misc]
    """A writer of a run to MLflow: its settings as parameters, each epoch and the final scores as metrics, its files.

    A run that is resumed goes on in the same MLflow run, and no epoch is written twice. When MLflow cannot be reached
    any more, the run warns once and goes on without it.

    Args:
        tracking_uri: a folder, or an address such as `http://localhost:5000`; default: what MLflow is set to.
        experiment: made where it does not exist.
        run_name: default: the name of the run's folder.

    Raises:
        ConfigError: MLflow is not installed; when the run begins: it cannot be reached.

    Example:
        `train(config, callbacks=[MLflowLogger("mlruns")])`
    """

    KEPT = ("run_id",)

    def __init__(
        self, tracking_uri: str | None = None, experiment: str = "seqconv", run_name: str | None = None
    ) -> None:
        super().__init__()
        check_mlflow()
        self.tracking_uri, self.experiment, self.run_name = tracking_uri, experiment, run_name
        self.run_id: str | None = None
        self._client: MlflowClient | None = None
        self._known: set[int] = set()

    def on_run_begin(self, config: Config, path: Path) -> None:
        """Open the MLflow run, the earlier one if the run goes on, and write the settings."""
        from mlflow.entities import Param
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        try:
            if self.tracking_uri is not None and (
                "://" not in self.tracking_uri or self.tracking_uri.startswith("file:")
            ):
                # Since version 3.7, MLflow needs explicit permission to write into a folder.
                os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            client = MlflowClient(tracking_uri=self.tracking_uri)
            self.run_id = self._open(client, path)
            params = [Param(key, str(value)[:LONGEST_VALUE]) for key, value in flatten(config.to_dict()).items()]
            for start in range(0, len(params), MOST_PARAMS):
                client.log_batch(self.run_id, params=params[start : start + MOST_PARAMS])
            monitored = client.get_metric_history(self.run_id, "loss")
        except (MlflowException, OSError) as error:
            raise ConfigError(
                f"MLflow at '{self.tracking_uri or 'its default'}' cannot be written to: {error}. Look at its address, "
                "or leave it out."
            ) from error
        self._client, self._known = client, {metric.step for metric in monitored}

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Write the numbers of an epoch; its step in MLflow is its number from 1."""
        if epoch + 1 not in self._known:
            self._log_metrics(dict(logs or {}), epoch + 1)

    def on_run_end(self, metrics: Mapping[str, Any], path: Path) -> None:
        """Write the scores of the saved model, as `test/accuracy`, and the files of the run."""
        self._log_metrics({f"{split}/{name}": value for split, each in metrics.items() for name, value in each.items()})

        for file in filter(Path.is_file, map(path.joinpath, ARTIFACTS)):
            self._send("log_artifact", str(file))
        self._send("set_terminated", "FINISHED")
        # The next run that it sees, of another member of an average, is another one.
        self.run_id = None

    def on_run_failed(self, error: BaseException) -> None:
        """Record in MLflow that the run has ended early."""
        status = "KILLED" if isinstance(error, RunStopped | KeyboardInterrupt) else "FAILED"
        self._send("set_terminated", status)

    def _open(self, client: "MlflowClient", path: Path) -> str:
        """Return the MLflow run of this folder, made if there is none that has not finished."""
        found = client.get_experiment_by_name(self.experiment)
        experiment = client.create_experiment(self.experiment) if found is None else found.experiment_id
        folder = str(path.resolve())
        if self.run_id is None:
            # Killed before its first checkpoint: the run starts again, but MLflow knows it.
            quoted = folder.replace("'", "\\'")
            known = client.search_runs([experiment], f"tags.`{FOLDER_TAG}` = '{quoted}'")
            self.run_id = next((run.info.run_id for run in known if run.info.status != "FINISHED"), None)
        if self.run_id is None:
            name = self.run_name or path.resolve().name
            return str(client.create_run(experiment, run_name=name, tags={FOLDER_TAG: folder}).info.run_id)
        client.update_run(self.run_id, status="RUNNING")
        return self.run_id

    def _log_metrics(self, values: Mapping[str, Any], step: int = 0) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        numbers = {key: float(value) for key, value in values.items() if isinstance(value, int | float)}
        metrics = [Metric(key, value, now, step) for key, value in numbers.items() if math.isfinite(value)]
        self._send("log_batch", metrics)

    def _send(self, method: str, *values: Any) -> None:
        """Call a method of the client, if MLflow could be reached until now."""
        from mlflow.exceptions import MlflowException

        if self._client is None:
            return
        try:
            getattr(self._client, method)(self.run_id, *values)
        except (MlflowException, OSError) as error:
            self._client = None
            warnings.warn(f"MLflow cannot be written to any more, the run goes on without it: {error}", stacklevel=2)


def check_mlflow() -> None:
    """Check that MLflow is installed.

    Raises:
        ConfigError: it is not.
    """
    if find_spec("mlflow") is None:
        raise ConfigError("MLflow is not installed. Install it with: pip install 'seqconv[mlflow]'")
