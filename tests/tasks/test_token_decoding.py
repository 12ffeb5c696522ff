"""What frames say: greedy and by beam as Keras has it, in pieces as in one, when, and how likely a label is."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from seqconv.errors import ShapeError
from seqconv.tasks.ctc import ctc_losses
from seqconv.tasks.ctc_arrays import (
    GreedyDecoder,
    align,
    decode_by_beam,
    decode_greedily,
    join_decoded,
    label_losses,
)
from seqconv.tasks.token_labels import frames_needed, state_rows

BACKEND = keras.backend.backend()


def log_rows(rng, frames, outputs, height=2.0):
    logits = height * rng.normal(size=(frames, outputs))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def collapse(path):
    return [token for token, _ in itertools.groupby(path) if token]


def all_paths(frames, outputs):
    return list(itertools.product(range(outputs), repeat=frames))


def by_keras(logs, **options):
    """Tokens that Keras's decoder finds, and their log probability."""
    found, scores = ops.nn.ctc_decode(logs[None].astype("float32"), np.array([len(logs)]), mask_index=0, **options)
    tokens = ops.convert_to_numpy(found)[0, 0]
    return tokens[tokens > 0].tolist(), float(ops.convert_to_numpy(scores)[0, 0])


def test_greedy_tokens_are_those_of_keras():
    rng = np.random.default_rng(0)
    for frames in (1, 2, 17, 60):
        logs = log_rows(rng, frames, 5)
        expected, _ = by_keras(logs, strategy="greedy")
        assert decode_greedily(logs).tokens.tolist() == expected == collapse(logs.argmax(axis=1).tolist())


def test_a_beam_that_keeps_all_finds_the_most_probable_tokens():
    rng, differs = np.random.default_rng(1), 0
    for _ in range(30):
        logs = log_rows(rng, int(rng.integers(1, 6)), 3, height=1.0)
        sums = {}
        for path in all_paths(*logs.shape):
            said, score = tuple(collapse(path)), logs[np.arange(len(logs)), list(path)].sum()
            sums[said] = np.logaddexp(sums.get(said, -np.inf), score)
        found = decode_by_beam(logs, width=400)
        assert tuple(found.tokens.tolist()) == max(sums, key=sums.__getitem__)
        assert -label_losses([logs], [found.tokens])[0] == pytest.approx(max(sums.values()))
        differs += found.tokens.tolist() != decode_greedily(logs).tokens.tolist()
    # Where it never differs, it shows nothing.
    assert differs > 3


def search(logs, width):
    """The search as its paper has it: log probabilities of each beginning, with a blank last and without."""
    beams = {(): (0.0, -np.inf)}
    for row in logs:
        found = {}

        def add(prefix, place, score, found=found):
            pair = list(found.get(prefix, (-np.inf, -np.inf)))
            pair[place] = np.logaddexp(pair[place], score)
            found[prefix] = tuple(pair)

        for prefix, (blank, spoken) in beams.items():
            add(prefix, 0, np.logaddexp(blank, spoken) + row[0])
            for token in range(1, len(row)):
                if prefix and prefix[-1] == token:
                    add(prefix, 1, spoken + row[token])
                    add((*prefix, token), 1, blank + row[token])
                else:
                    add((*prefix, token), 1, np.logaddexp(blank, spoken) + row[token])
        beams = dict(sorted(found.items(), key=lambda item: -np.logaddexp(*item[1]))[:width])
    return list(next(iter(beams)))


@pytest.mark.parametrize("width", [1, 3, 20])
def test_a_narrow_beam_keeps_the_best_beginnings(width):
    rng = np.random.default_rng(width)
    for _ in range(10):
        logs = log_rows(rng, 30, 6)
        assert decode_by_beam(logs, width).tokens.tolist() == search(logs, width)


# TensorFlow's decoder loses beginnings behind one that has left the beam: it is compared where few come near another.
BEAMS = [(100, 4.0), (5, 6.0)] if BACKEND == "tensorflow" else [(20, 2.0), (2, 2.0)]


@pytest.mark.parametrize(("width", "height"), BEAMS)
def test_the_beam_is_that_of_keras(width, height):
    rng, differs = np.random.default_rng(width), 0
    for _ in range(15):
        logs = log_rows(rng, 30, 6, height)
        expected, _ = by_keras(logs, strategy="beam_search", beam_width=width, top_paths=1)
        assert decode_by_beam(logs, width).tokens.tolist() == expected
        differs += decode_greedily(logs).tokens.tolist() != expected
    assert differs


def test_pieces_of_any_sizes_say_what_the_whole_says():
    rng = np.random.default_rng(2)
    logs = np.repeat(log_rows(rng, 40, 4), rng.integers(1, 4, size=40), axis=0)
    whole = decode_greedily(logs)
    for _ in range(20):
        cuts = np.sort(rng.integers(0, len(logs) + 1, size=rng.integers(0, 30)))
        decoder = GreedyDecoder()
        found = join_decoded([*(decoder.feed(piece) for piece in np.split(logs, cuts)), decoder.last()])
        for ours, theirs in zip(found, whole, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_times_and_confidences_are_of_the_frames_that_say_a_token():
    probabilities = np.array([[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.3, 0.6, 0.1], [0.2, 0.1, 0.7], [0.1, 0.2, 0.7]])
    found = decode_greedily(np.log(probabilities))
    assert found.tokens.tolist() == [1, 2]
    assert list(zip(found.first.tolist(), found.last.tolist(), strict=True)) == [(1, 2), (3, 4)]
    assert found.confidence == pytest.approx([0.7, 0.7])
    # Where the greedy path says the tokens, it is their most probable alignment.
    for ours, theirs in zip(align(np.log(probabilities), found.tokens), found, strict=True):
        np.testing.assert_allclose(ours, theirs)


def test_the_alignment_is_the_most_probable_path_of_all():
    rng = np.random.default_rng(3)
    for tokens in ([1], [2, 2], [1, 2], [1, 1, 2]):
        logs = log_rows(rng, 6, 3)
        paths = [path for path in all_paths(6, 3) if collapse(path) == tokens]
        best = max(paths, key=lambda path: logs[np.arange(6), list(path)].sum())
        runs = [(token, len(list(group))) for token, group in itertools.groupby(best)]
        starts = np.cumsum([0, *(length for _, length in runs)])
        expected = [start for start, (token, _) in zip(starts, runs, strict=False) if token]
        assert align(logs, np.array(tokens)).first.tolist() == expected


def test_losses_are_those_that_training_sums():
    rng = np.random.default_rng(4)
    labels = [np.array(tokens, np.int64) for tokens in ([1], [2, 2], [], [1, 2, 3, 1], [3, 3, 3], [2])]
    logs = [log_rows(rng, frames, 4) for frames in (9, 3, 5, 30, 4, 1)]
    # More than are computed at once, in lengths that are not in order.
    found = label_losses(logs * 20, labels * 20).reshape(20, -1)
    width, rows = max(map(len, logs)), state_rows(labels, blank=0)
    padded = np.stack([np.pad(each, ((0, width - len(each)), (0, 0))) for each in logs])
    sizes = [(0, len(each)) for each in logs]
    placed = np.concatenate([np.array(sizes), rows], axis=1)[:, None]
    # JAX computes in float32, unless a process asks for more.
    dtype = "float32" if BACKEND == "jax" else "float64"
    expected = ops.convert_to_numpy(ctc_losses(placed, ops.convert_to_tensor(padded, dtype)))[:, 0]
    assert np.isfinite(expected).tolist() == [True, True, True, True, False, True]
    np.testing.assert_allclose(found, np.tile(expected, (20, 1)), rtol=1e-11 if BACKEND == "tensorflow" else 1e-4)


def test_frames_needed_are_the_fewest_that_have_an_alignment():
    rng = np.random.default_rng(5)
    labels = [rng.integers(1, 3, size=size) for size in (1, 2, 3, 5, 6, 9) for _ in range(3)]
    needed = frames_needed(state_rows(labels, blank=0))
    assert set(needed - [len(tokens) for tokens in labels]) >= {0, 1, 2}
    for tokens, count in zip(labels, needed.tolist(), strict=True):
        enough, short = log_rows(rng, count, 3), log_rows(rng, max(count - 1, 1), 3)
        assert np.isfinite(label_losses([enough], [tokens]))
        assert count == 1 or np.isinf(label_losses([short], [tokens]))


def test_what_cannot_be_decoded_or_aligned_is_named():
    logs = np.log(np.full((2, 2), 0.5))
    for width in (0, -1):
        with pytest.raises(ShapeError, match=f"width {width}: expected how many beginnings"):
            decode_by_beam(logs, width)
    assert align(logs, np.array([1])).tokens.tolist() == [1]
    for frames, tokens, needed in ((2, [1, 1], 3), (0, [1], 1)):
        with pytest.raises(ShapeError, match=f"{frames} frames cannot say {len(tokens)} tokens, which need {needed}"):
            align(logs[:frames], np.array(tokens))
