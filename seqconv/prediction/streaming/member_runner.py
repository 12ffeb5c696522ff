"""One model over the pieces of a sequence: pass by pass, window by window."""

from collections.abc import Iterable, Iterator

import numpy as np

from seqconv.models import SequenceModel
from seqconv.prediction.compiled import Array
from seqconv.prediction.streaming.chunks import chunk_shape, cut_windows
from seqconv.prediction.streaming.network import Summaries, WindowNetwork, logits_of, merge_summaries, passes_of


class MemberRunner:
    """A model over sequences in chunks of `chunk_frames`, whose pieces are checked and come again for each pass."""

    def __init__(self, model: SequenceModel, chunk_frames: int, fill: float) -> None:
        self.model, self.fill = model, fill
        self.shape = chunk_shape(model.time_geometry, chunk_frames)
        self._networks: dict[tuple[str, ...], WindowNetwork] = {}
        self._counted = np.ones(self.shape.interior // self.shape.stride, np.bool_)

    def logits(self, pieces: Iterable[Array]) -> Array:
        """Return logits `(num_outputs,)` of one sequence."""
        return logits_of(self.model, self._pass(pieces, self._known(pieces)))

    def frame_logits(self, pieces: Iterable[Array]) -> Iterator[Array]:
        """Yield logits `(n, num_outputs)` of consecutive output frames, chunk by chunk."""
        known = self._known(pieces)
        network = self._network(known)
        left, interior, _, stride = self.shape
        for window in cut_windows(pieces, self.shape, fill=self.fill):
            count = np.count_nonzero(window.is_real[left : left + interior : stride])
            yield network.frames(window, self._counted, known)[:count]

    def _known(self, pieces: Iterable[Array]) -> Summaries:
        """Return the results of earlier passes, each computed with those before it."""
        known: Summaries = {}
        for _ in passes_of(self.model)[:-1]:
            known.update(self._pass(pieces, known))
        return known

    def _pass(self, pieces: Iterable[Array], known: Summaries) -> Summaries:
        network = self._network(known)
        merged: Summaries = {}
        for window in cut_windows(pieces, self.shape, fill=self.fill):
            found = network.summarize(window, self._counted, known)
            merged = merge_summaries(self.model, merged, found)
        # The network takes statistics as it gives them; only their sums over chunks needed more.
        return {
            name: {key: np.asarray(value, found[name][key].dtype) for key, value in summary.items()}
            for name, summary in merged.items()
        }

    def _network(self, known: Summaries) -> WindowNetwork:
        given = tuple(known)
        if given not in self._networks:
            self._networks[given] = WindowNetwork(self.model, self.shape, given)
        return self._networks[given]
