"""Tokens: each sequence says a sequence of symbols, and nobody knows which frame says which."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from seqconv.errors import ModelError, list_some
from seqconv.metrics.checks import FloatArray, IntArray, Scores
from seqconv.metrics.tokens import count_edits, describe_edits, error_rate, token_scorer, token_scores
from seqconv.parts import register
from seqconv.tasks.base import Task
from seqconv.tasks.ctc_arrays import Decoded, GreedyDecoder, decode_greedily, join_decoded, label_losses
from seqconv.tasks.forms import (
    NO_CLASSES,
    NO_MIXING,
    Array,
    CellRule,
    Columns,
    Fitted,
    Joiner,
    Meaning,
    ReadAnswers,
    Scorer,
)
from seqconv.tasks.token_labels import (
    BLANK_NAME,
    check_names,
    find_vocabulary,
    frames_needed,
    number_tokens,
    read_tokens,
    split_text,
    state_rows,
)

_PARTS = "the label of a whole recording says nothing of a part of it, and target.task is '{task}'."


@register
class TokenSequences(Task):
    """A sequence of tokens, learned by connectionist temporal classification.

    In answers and truth, output 0 is the blank, wherever it is among the names of the target.
    """

    name: ClassVar[str] = "tokens"
    scores: ClassVar[tuple[str, ...]] = ("token_error_rate", "sequence_accuracy", "loss")
    headline: ClassVar[str] = "token_error_rate"
    outputs: ClassVar[str] = "outputs, one of them the blank"
    text_columns: ClassVar[frozenset[str]] = frozenset({"label", "prediction", "times", "confidences", "alignment"})
    label_dtype: ClassVar[str] = "int32"
    joins_frames: ClassVar[bool] = True
    separator: ClassVar[str] = ""
    misfits: ClassVar[Mapping[str, str]] = {
        **NO_CLASSES,
        **NO_MIXING,
        "target.columns": "the tokens of a sequence stand in one column, but columns is given. Name it in column",
        "batching.too_long=crop": "'crop' leaves a part of a sequence, " + _PARTS + " Set it to 'own_batch'.",
        "augment.time_shift": "a shift moves what is said over the end of a sequence, and its label stays, because "
        "target.task is '{task}'. Remove it.",
        "training.solver=ridge": "'ridge' fits an answer to each label, and here nobody knows which frame says what, "
        "because target.task is '{task}'. Set it to 'gradient', and leave out recipe rocket.",
        "data.windows": "windows are parts of recordings: " + _PARTS + " Remove it.",
    }

    def fit(self, raw_labels: Any, *, names: tuple[str, ...] | None, separator: str, ids: Any = None) -> Fitted:
        labels = read_tokens(raw_labels, separator, ids)
        found = find_vocabulary(labels) if names is None else (BLANK_NAME, *names)
        check_names(found[1:], separator)
        return Fitted(found)

    def encode(self, target: Meaning, raw_labels: Any, ids: Any = None) -> Array:
        """Encode labels as `ctc.ctc_losses` reads them, `(n, 1 + S)`: the number of states, and these."""
        labels = read_tokens(raw_labels, target.separator, ids)
        return state_rows(number_tokens(labels, target.names, ids), _blank(target))

    def truth(self, target: Meaning, raw_labels: Any, ids: Any = None) -> Any:
        """Return the numbers of the tokens of each label, `(n,)` arrays."""
        labels = read_tokens(raw_labels, target.separator, ids)
        return as_objects(number_tokens(labels, _in_order(target.names), ids))

    def is_labeled(self, encoded: Array) -> npt.NDArray[np.bool_]:
        return np.ones(len(encoded), bool)

    def label_shape(self, target: Meaning) -> tuple[int | None, ...]:
        return (None,)

    def frames_needed(self, encoded: Array) -> IntArray:
        return frames_needed(encoded)

    def target_of_outputs(self, names: tuple[str, ...], columns: tuple[str, ...], column: str) -> Fitted:
        return Fitted((BLANK_NAME, *names))

    def cell_rule(self, *, is_single: bool) -> CellRule:
        return CellRule("text", lambda cell: bool(str(cell).strip()))

    def strata(self, row_names: Sequence[Sequence[str]], cells: Sequence[Any]) -> list[list[str]]:
        """Keep nothing in proportion: hardly two labels are the same."""
        return [[] for _ in row_names]

    def make_loss(self, label_smoothing: float = 0.0, focusing: float = 0.0) -> Any:
        from seqconv.tasks.ctc import CtcLoss

        return CtcLoss(reduction="sum")

    def make_metrics(self, label_smoothing: float = 0.0, focusing: float = 0.0) -> list[Any]:
        from seqconv.tasks.ctc import known_losses
        from seqconv.tasks.losses import WeightedMean

        return [WeightedMean(known_losses, "mean_loss")]

    def predictions(self, target: Meaning, logits: Any) -> Any:
        """Turn the logits of the frames of each sequence into log probabilities, blank first, `(n,)` arrays."""
        return as_objects([self.log_probabilities(target, rows) for rows in logits])

    def decide(self, predictions: Any, thresholds: tuple[float | None, ...] | None) -> Any:
        """Return what the frames of each sequence say, `(n,)` of `Decoded`; what is decoded stays as it is."""
        return as_objects([rows if isinstance(rows, Decoded) else decode_greedily(rows) for rows in predictions])

    def decode(self, target: Meaning, outputs: Any, threshold: float) -> list[Any]:
        """Turn log probabilities of frames into text."""
        return self._texts(target, [said.tokens for said in self.decide(outputs, None)])

    def prediction_columns(self, target: Meaning, predictions: Any, decided: Any = None) -> Columns:
        """Name the text, and the mean confidence of its tokens, NaN without any."""
        found = self.decide(predictions, None) if decided is None else decided
        texts = self._texts(target, [said.tokens for said in found])
        return {"prediction": texts, "confidence": self.confidence(found)}

    def place_columns(self, decided: Any, step: float, starts: FloatArray | None = None) -> Columns:
        """Name when each token begins, and how sure it is: a number for each token, with spaces between them."""
        begins = np.zeros(len(decided)) if starts is None else np.nan_to_num(starts)
        times = [said.first * step + begin for said, begin in zip(decided, begins.tolist(), strict=True)]
        return {
            "times": [_join_numbers(numbers, 6) for numbers in times],
            "confidences": [_join_numbers(said.confidence, 4) for said in decided],
        }

    def compare_columns(self, target: Meaning, targets: Any, decided: Any) -> Columns:
        """Name the alignment of each answer with its label; see `describe_edits`."""
        names, written = _in_order(target.names), list[str]()
        for true, said in zip(targets, decided, strict=True):
            label, answer = ([names[token] for token in tokens] for tokens in (true, said.tokens))
            written.append(describe_edits(label, answer, target.separator))
        return {"alignment": written}

    def start_joining(self, target: Meaning) -> Joiner:
        return _Joining(self, target)

    def truth_columns(self, target: Meaning, targets: Any) -> Columns:
        return {"label": self._texts(target, targets)}

    def read_answers(self, table: Any, scores: Mapping[str, Any], separator: str) -> ReadAnswers:
        labels, texts = ([split_text(text, separator) for text in table[name]] for name in ("label", "prediction"))
        names = find_vocabulary([*labels, *texts])
        targets, found = (number_tokens(each, names) for each in (labels, texts))
        sure = [np.array(text.split(), np.float64) for text in table["confidences"].fillna("").astype(str)]
        # When they were said is of no use here.
        decoded = [Decoded(tokens, tokens, tokens, each) for tokens, each in zip(found, sure, strict=True)]
        return ReadAnswers([], as_objects(targets), as_objects(decoded), None)

    def confidence(self, predictions: Any) -> FloatArray:
        found = self.decide(predictions, None)
        return np.array([said.confidence.mean() if len(said.tokens) else np.nan for said in found])

    def is_wrong(self, table: Any) -> Any:
        return table["label"] != table["prediction"]

    def compute_scores(
        self, targets: Any, predictions: Any, names: Sequence[str], decided: Any, num_bins: int
    ) -> Scores:
        found = [said.tokens for said in (self.decide(predictions, None) if decided is None else decided)]
        scores, order = token_scores(_counts(targets, found)), _in_order(names)
        true, given = ([[order[token] for token in tokens] for tokens in each] for each in (targets, found))
        if any(len(name) > 1 for name in names):
            scores["character_error_rate"] = error_rate(*([" ".join(text) for text in each] for each in (true, given)))
        elif " " in names:
            words = ([("".join(text)).split() for text in each] for each in (true, given))
            scores["word_error_rate"] = error_rate(*words)
        return scores

    def losses(self, targets: Any, predictions: Any, scale: ArrayLike = 1) -> FloatArray:
        return label_losses(predictions, targets)

    def headline_scorer(self, targets: Any, predictions: Any, decided: Any = None) -> Scorer:
        found = self.decide(predictions, None) if decided is None else decided
        return token_scorer(_counts(targets, [said.tokens for said in found]))

    def log_probabilities(self, target: Meaning, logits: ArrayLike) -> FloatArray:
        """Turn logits of frames into log probabilities, blank first.

        Raises:
            ModelError: the model has another number of outputs than the target.
        """
        from scipy.special import log_softmax

        values = np.asarray(logits, np.float64)
        if values.ndim != 2 or values.shape[1] != target.num_outputs:
            raise ModelError(
                f"the model answers with {values.shape}, but the target needs (frames, {target.num_outputs}): a blank "
                f"and {list_some(target.names[1:])}"
            )
        blank = _blank(target)
        order = [blank, *(place for place in range(len(target.names)) if place != blank)]
        return np.asarray(log_softmax(values, axis=1))[:, order]

    def _texts(self, target: Meaning, tokens: Sequence[Array]) -> list[str]:
        names = _in_order(target.names)
        return [target.separator.join(names[token] for token in each) for each in tokens]


class _Joining:
    """The tokens that have been said so far; a repeat over the end of a piece is one token."""

    def __init__(self, task: TokenSequences, target: Meaning) -> None:
        self._task, self._target = task, target
        self._decoder, self._parts = GreedyDecoder(), list[Decoded]()

    def feed(self, logits: ArrayLike) -> None:
        self._parts.append(self._decoder.feed(self._task.log_probabilities(self._target, logits)))

    def decided(self) -> Any:
        return as_objects([join_decoded([*self._parts, self._decoder.last()])])


def _join_numbers(numbers: FloatArray, digits: int) -> str:
    return " ".join(f"{number:.{digits}f}".rstrip("0").rstrip(".") for number in numbers.tolist())


def _counts(targets: Any, found: Sequence[Array]) -> IntArray:
    return count_edits([tokens.tolist() for tokens in targets], [tokens.tolist() for tokens in found])


def _blank(target: Meaning) -> int:
    if target.names.count(BLANK_NAME) != 1:
        raise ModelError(f"the target needs one output without a name, the blank, but has {list_some(target.names)}")
    return target.names.index(BLANK_NAME)


def _in_order(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names with the blank first."""
    return (BLANK_NAME, *(name for name in names if name != BLANK_NAME))


def as_objects(items: Sequence[Any]) -> Any:
    """Return an array `(n,)` of arrays."""
    found = np.empty(len(items), object)
    for place, item in enumerate(items):
        found[place] = item
    return found
