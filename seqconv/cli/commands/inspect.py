"""`seqconv inspect`, `python scripts/inspect_model.py`."""

import argparse
import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from seqconv.cli.options import PLUGINS, command, settable
from seqconv.cli.splits import say
from seqconv.config.backends import start_keras
from seqconv.errors import ConfigError
from seqconv.files import fetch, is_file, name_of

if TYPE_CHECKING:
    from seqconv.features import FeatureKind


@command(
    "inspect",
    "Look inside a Keras model, ours or not: a table of layers, one layer in plain words, pictures, what decided for a "
    "recording, and whether padding changes its answers.",
    {
        "model RUN": "folder of a run, or a .keras file",
        "--member N": "of an average, look at this member alone, counted from 0",
        "--explain LAYER ...": "what one output value of this convolution is, with its numbers (may be repeated)",
        "--audit": "name the layers that lose a mask or read padding, and measure what padding and batch mates change; "
        "exit status 0 where nothing is wrong, else 1",
        "--manifest FILE": "sequences for --audit (default: random numbers)",
        "--json FILE": "write the findings of --audit, or else the table, as JSON",
        "--pictures DIR": "draw filters, and with --recording what it does to the model",
        "--recording FILE": "which frames of this recording decided (in a file of several: FILE/0)",
        "--output CLASS": "with --recording: for this class (default: the predicted one)",
        "--before MODEL": "with --pictures: the same model before training",
        "--config FILE": "a config whose features section says how to read, for stock models",
    },
    settable("features.kind=mfcc", "set one key"),
    PLUGINS,
)
def main(arguments: argparse.Namespace) -> int:
    """Print or draw what is asked for; exit code 1 where an audit fails."""
    check_arguments(arguments)
    check_paths(arguments)
    start_keras()
    # What the table and the audit say layer by layer.
    warnings.filterwarnings("ignore", message=".*destroy the mask information", category=UserWarning)
    from rich.console import Console

    from seqconv.inspection import audit, describe, explain
    from seqconv.models.factory import open_model
    from seqconv.parts.plugins import load_plugins

    load_plugins(arguments.plugin)
    console, model = Console(highlight=False, soft_wrap=False), choose_member(open_model(arguments.model), arguments)
    for name in arguments.explain:
        console.print(explain(model, name).text(min(console.width, 100)), markup=False, soft_wrap=True)
    if arguments.recording:
        show_recording(arguments, model)
    if arguments.pictures:
        draw_model(arguments, model)
    if arguments.audit:
        result = audit(model, read_sequences(arguments, model))
        console.print(result)
        write_json(arguments.json, result.to_dict())
        return 0 if result.passes else 1
    if not arguments.explain and not arguments.recording:
        described = describe(model)
        console.print(described)
        write_json(arguments.json, json.loads(described.to_frame().to_json(orient="records")))
    return 0


def choose_member(model: Any, arguments: argparse.Namespace) -> Any:
    """Return the member that is asked for, with what the average knows of features and outputs; else the model.

    Raises:
        ConfigError: the model has no such member.
    """
    if arguments.member is None:
        return model
    members = getattr(model, "members", ())
    if not 0 <= arguments.member < len(members):
        there = f"its members are 0 to {len(members) - 1}" if members else "it is no average of models"
        raise ConfigError(f"--member {arguments.member}: '{arguments.model}' has none of that number, {there}.")
    member = members[arguments.member]
    # Temperature and thresholds are those of the average.
    member.card = replace(model.card, temperature=1.0, thresholds=None, decisions={})
    return member


def check_arguments(arguments: argparse.Namespace) -> None:
    """Refuse options that would do nothing.

    Raises:
        ConfigError: names each, and what it needs.
    """
    is_table = not (arguments.explain or arguments.recording)
    needs = (
        ("--manifest", arguments.manifest, "--audit", arguments.audit),
        ("--output", arguments.output, "--recording", arguments.recording),
        ("--before", arguments.before, "--pictures", arguments.pictures),
        ("--json", arguments.json, "--audit, or the table alone", arguments.audit or is_table),
    )
    problems = [f"{name} needs {other}" for name, value, other, is_there in needs if value and not is_there]
    if problems:
        raise ConfigError("; ".join(problems) + ".")


def check_paths(arguments: argparse.Namespace) -> None:
    """Find the models, the manifest and the recording, before Keras is started.

    Raises:
        ModelError, ManifestError, ConfigError: there is no such file.
    """
    from seqconv.models.model_files import find_model_file

    for name in ("model", "before"):
        if getattr(arguments, name) is not None:
            setattr(arguments, name, str(find_model_file(getattr(arguments, name))))
    if arguments.manifest is not None:
        from seqconv.data.manifest import load_manifest

        load_manifest(arguments.manifest)
    if arguments.recording is not None:
        path = Path(arguments.recording)
        if not (is_file(arguments.recording) or path.parent.is_file()):
            raise ConfigError(f"--recording {arguments.recording}: there is no such file.")


def feature_settings(arguments: argparse.Namespace, model: Any) -> "FeatureKind | None":
    """Return the settings of the model's features: from its card, or the command line; None if neither has them."""
    from seqconv.config import load_config
    from seqconv.models.card import read_card

    settings = read_card(model).features
    if settings is not None:
        return settings
    is_given = arguments.config is not None or arguments.set
    return load_config(arguments.config or {}, arguments.set).features if is_given else None


def _refuse_unknown(model: Any, source: str) -> NoReturn:
    raise ConfigError(
        f"model '{model.name}' does not say how to compute features of {source}. Pass --config FILE, or --set "
        "features.kind=log_mel and so on."
    )


def read_sequences(arguments: argparse.Namespace, model: Any) -> Any:
    """Return the sequences of the manifest; None if none is given."""
    if arguments.manifest is None:
        return None
    from seqconv.data.sequences import Sequences
    from seqconv.features.cases import find_form
    from seqconv.features.kinds import Precomputed

    settings = feature_settings(arguments, model)
    if settings is None and find_form(Path(arguments.manifest)) is None:
        _refuse_unknown(model, "recordings")
    return Sequences.from_manifest(arguments.manifest, settings or Precomputed(), label=None)


def show_recording(arguments: argparse.Namespace, model: Any) -> None:
    """Print which frames decided, and draw them if pictures are asked for."""
    from seqconv.inspection import contributions
    from seqconv.models.card import read_card

    settings, features = read_recording(arguments, model)
    output: Any = arguments.output
    if output is not None and read_card(model).target is None:
        if not output.isdecimal():
            raise ConfigError(f"--output '{output}': the model does not name its outputs; pass a number from 0.")
        output = int(output)
    found = contributions(model, features, output=output)
    print(found)
    if not arguments.pictures:
        return
    from seqconv.inspection.pictures import draw_activations, draw_contributions

    path = Path(arguments.recording)
    name = name_of(arguments.recording) if is_file(arguments.recording) else f"{path.parent.name}/{path.name}"
    save(draw_contributions(found, features, settings, title=name), arguments.pictures, "decided")
    save(draw_activations(model, features, settings, title=name), arguments.pictures, "activations")


def read_recording(arguments: argparse.Namespace, model: Any) -> "tuple[FeatureKind, Any]":
    """Return settings and features of the one recording."""
    from seqconv.data.manifest.readers.folders import ARRAY_SUFFIXES
    from seqconv.features import RecordedKind, extract_features, load_features
    from seqconv.features.audio.decoding import decode_audio
    from seqconv.features.cases import find_form
    from seqconv.models.card import read_card

    settings = feature_settings(arguments, model)
    if settings is None:
        _refuse_unknown(model, f"'{arguments.recording}'")
    path = fetch(arguments.recording)
    if isinstance(settings, RecordedKind):
        return settings, extract_features(*decode_audio(path, channel=settings.channel), settings)
    holder = path.parent if path.parent.is_file() else path
    form = find_form(holder)
    form = read_card(model).segmentation.form or None if form is None else form
    if form is None or holder.suffix.lower() in ARRAY_SUFFIXES:
        return settings, load_features(path, settings)
    if holder == path or not path.name.isdecimal():
        raise ConfigError(f"'{holder}' holds many sequences. Say which: --recording {holder}/0 is the first one.")
    return settings, load_features(holder, settings, case=int(path.name), form=form)


def draw_model(arguments: argparse.Namespace, model: Any) -> None:
    """Draw the filters of every convolution and their change in training; more pictures for the first convolution."""
    from seqconv.inspection.kernels import convolutions_of
    from seqconv.inspection.pictures import draw_before_after, draw_channel_norms, draw_filters, draw_responses
    from seqconv.inspection.pictures.responses import response_options
    from seqconv.models.factory import open_model

    settings = feature_settings(arguments, model)
    before = convolutions_of(open_model(arguments.before)) if arguments.before else {}
    for number, (name, layer) in enumerate(convolutions_of(model).items()):
        shown = settings if number == 0 else None
        save(draw_filters(layer, shown), arguments.pictures, f"filters_{name}")
        if name in before:
            save(draw_before_after(before[name], layer, shown), arguments.pictures, f"before_after_{name}")
        if number == 0:
            save(draw_channel_norms(layer, shown), arguments.pictures, f"norms_{name}")
            options = response_options(model, settings)
            if options is not None:
                save(draw_responses(layer, **options), arguments.pictures, f"responses_{name}")


def save(figure: Any, folder: str, name: str) -> None:
    """Write a picture and print its path."""
    path = Path(folder) / f"{name.replace('/', '_')}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    say(f"wrote {path}")


def write_json(path: str | None, content: Any) -> None:
    """Write the findings, if a file is asked for."""
    if path is None:
        return
    Path(path).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    say(f"wrote {path}")
