"""Labels that are sequences of tokens: read, numbered, refused; and the target that a card holds."""

import numpy as np
import pandas as pd
import pytest

from seqconv.errors import ConfigError, ManifestError, ModelError
from seqconv.tasks.settings import TargetConfig
from seqconv.tasks.target import DecisionRule, Target, fit_target
from seqconv.tasks.token_labels import read_tokens, read_vocabulary


@pytest.mark.parametrize(
    ("raw", "separator", "expected"),
    [
        (["ab", "a b"], "", [("a", "b"), ("a", " ", "b")]),
        ([407, 12.0], "", [("4", "0", "7"), ("1", "2")]),
        (["the  cat\tsat"], " ", [("the", "cat", "sat")]),
        (["k; ae;t"], ";", [("k", "ae", "t")]),
        ([["k", "ae"], ("t",)], "", [("k", "ae"), ("t",)]),
        ([np.array([60, 62, 60]), np.array([64])], "", [("60", "62", "60"), ("64",)]),
        (pd.Series(["no", "né"]), "", [("n", "o"), ("n", "é")]),
    ],
)
def test_labels_of_every_form(raw, separator, expected):
    assert read_tokens(raw, separator) == expected


def test_labels_that_say_nothing_are_named():
    with pytest.raises(ManifestError, match=r"'b', 'd' have an empty label: there is nothing to say. Write"):
        read_tokens(["x", "", "y", None], "", ids=list("abcd"))
    with pytest.raises(ManifestError, match="'c' have a token without any character"):
        read_tokens(["x;y", "z", "x;;y"], ";", ids=list("abc"))


@pytest.mark.parametrize("label", [{"a", "b"}, {"a": 1}, [["a"], "b"]])
def test_labels_without_an_order_are_no_text(label):
    with pytest.raises(ManifestError, match="'q' have labels that are neither text nor lists of tokens, the first"):
        read_tokens(["x", label], "", ids=["p", "q"])


@pytest.mark.parametrize(
    ("labels", "separator", "token"),
    [([["60", "6"]], "", "60"), ([["a;b", "c"]], ";", "a;b"), ([["new york"]], " ", "new york"), ([[" a"]], ";", " a")],
)
def test_tokens_that_their_text_would_not_tell_are_refused(labels, separator, token):
    with pytest.raises(ManifestError, match=f"text of the tokens '{token}' would be read as other ones, with target"):
        fit_target("tokens", labels, separator=separator)


def test_an_answer_that_is_a_space_is_read_back():
    target = fit_target("tokens", ["a b"], separator="")
    table = pd.DataFrame({"label": ["a b", "a"], "prediction": [" ", ""], "confidences": ["0.5", ""]})
    read = target.definition.read_answers(table, {}, "")
    assert [len(said.tokens) for said in read.predictions] == [1, 0]


def test_the_vocabulary_is_that_of_training_and_others_are_named():
    target = fit_target("tokens", ["12", "10"], separator="")
    assert target.names == ("", "0", "1", "2")
    assert target.num_outputs == 4
    with pytest.raises(
        ManifestError, match=r"'b' have tokens that are not in the vocabulary: '7'.*target.vocabulary.*target.separator"
    ):
        target.encode(["1", "17"], ids=["a", "b"])
    # How many states there are, and these; after them, whatever the loss does not read.
    assert target.encode(["1", "22"]).tolist() == [[3, 0, 2, 0, 0, 0], [5, 0, 3, 0, 3, 0]]


def test_a_file_has_the_vocabulary(tmp_path):
    path = tmp_path / "tokens.txt"
    path.write_text("b\n \na\n", encoding="utf-8")
    assert read_vocabulary(path) == ("b", " ", "a")
    target = fit_target("tokens", ["ab"], labels=read_vocabulary(path), separator="")
    assert target.names == ("", "b", " ", "a")
    with pytest.raises(ManifestError, match="not in the vocabulary: 'c'"):
        fit_target("tokens", ["abc"], labels=read_vocabulary(path), separator="")
    path.write_text("a\nb\na\n", encoding="utf-8")
    with pytest.raises(ManifestError, match=r"tokens.txt' has in line 3 the token 'a', which is empty or stands"):
        read_vocabulary(path)
    with pytest.raises(ManifestError, match=r"target.vocabulary: .* cannot be read"):
        read_vocabulary(tmp_path / "none.txt")


def test_what_the_card_calls_the_blank_is_the_blank():
    target = Target("tokens", ("a", "", "b"), separator="")
    assert target.encode(["ab"]).tolist() == [[5, 1, 0, 1, 2, 1]]
    # Blank, a, a, blank, a, b.
    logits = 9.0 * np.eye(3)[[1, 0, 0, 1, 0, 2]]
    rule = DecisionRule(target)
    probabilities = rule.probabilities([logits])
    columns = rule.columns(probabilities)
    assert columns["prediction"] == ["aab"]
    assert columns["confidence"] == pytest.approx([0.9998], abs=1e-4)
    truth = target.definition.truth(target, ["aab"])
    scores = target.definition.score(truth, probabilities, target.names)
    assert (scores["token_error_rate"], scores["sequence_accuracy"]) == (0, 1)
    with pytest.raises(ModelError, match="needs one output without a name, the blank, but has 'a', 'b'"):
        Target("tokens", ("a", "b"), separator="").encode(["ab"])
    with pytest.raises(ModelError, match=r"answers with \(6, 2\), but the target needs \(frames, 3\)"):
        rule.probabilities([logits[:, :2]])


def test_rates_of_words_and_of_characters():
    def scores(labels, answers, separator):
        target = fit_target("tokens", labels, separator=separator)
        logits = []
        for answer in target.definition.truth(target, answers):
            path = np.stack([answer, np.zeros_like(answer)], axis=1).ravel()
            logits.append(20.0 * np.eye(target.num_outputs)[path])
        task, truth = target.definition, target.definition.truth(target, labels)
        return task.score(truth, task.predictions(target, logits), target.names)

    by_letter = scores(["one two", "three"], ["one tow", "three"], "")
    assert by_letter["word_error_rate"] == pytest.approx(1 / 3)
    assert by_letter["token_error_rate"] == pytest.approx(2 / 12)
    assert "word_error_rate" not in scores(["ab", "b"], ["ab", "a"], "")
    by_word = scores(["one two", "three"], ["one three", "three"], " ")
    assert by_word["token_error_rate"] == pytest.approx(1 / 3)
    # Three of "two" become "three": "t" stays.
    assert by_word["character_error_rate"] == pytest.approx(4 / 12)


def test_keys_of_the_section():
    assert TargetConfig(task="tokens").separator == ""
    assert TargetConfig(task="multilabel").separator == ";"
    assert TargetConfig(task="tokens", separator=" ").separator == " "
    with pytest.raises(ValueError, match="separator='' makes every character a label, but task is 'multilabel'"):
        TargetConfig(task="multilabel", separator="")
    with pytest.raises(ValueError, match="is about tokens, but task is 'classification'"):
        TargetConfig(vocabulary="tokens.txt")


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({}, "model.pooling: the tokens of a sequence are said by its frames, which \\['mean'\\] pools. Set it to"),
        ({"batching": {"too_long": "crop"}}, "batching.too_long: 'crop' leaves a part of a sequence"),
        ({"data": {"windows": {"seconds": 1}}}, "data.windows: windows are parts of recordings"),
        ({"augment": {"mixup": {}}}, "augment.mixup: labels of the task 'tokens' cannot be mixed"),
        (
            {"augment": {"time_shift": {"fill": "wrap"}}},
            "augment.time_shift: a shift moves what is said over the end of",
        ),
        ({"training": {"solver": "ridge"}}, "training.solver: 'ridge' fits an answer to each label, and here nobody"),
        ({"training": {"label_smoothing": 0.1}}, "training.label_smoothing: 0.1 spreads the probability of classes"),
        ({"training": {"monitor": "val_accuracy"}}, "'val_accuracy' is not measured when target.task is 'tokens'"),
    ],
)
def test_settings_that_make_no_sense(sections, message):
    from seqconv.config import load_config

    model = {"model": {"pooling": "frames"}} if sections else {}
    with pytest.raises(ConfigError, match=message):
        load_config({"target": {"task": "tokens"}, **model, **sections})


def test_a_note_on_splits_does_not_claim_proportions_that_tokens_have_not():
    from seqconv.data.manifest.columns import Manifest
    from seqconv.data.manifest.labels import LabelColumns
    from seqconv.data.manifest.splits import add_splits

    names = [f"r{number}" for number in range(20)]
    frame = pd.DataFrame({"id": names, "path": names, "label": ["ab", "ba"] * 10, "split": None, "group": None})
    (note,) = add_splits(Manifest(frame), LabelColumns("label", "tokens", "")).notes
    assert "stratified" not in note
    (note,) = add_splits(Manifest(frame)).notes
    assert "stratified by 'label'" in note
