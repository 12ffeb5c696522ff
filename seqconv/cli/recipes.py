"""The config of recordings and a recipe, without a file: what to learn from is found as by `seqconv init`."""

from collections.abc import Sequence
from typing import Any

from seqconv.cli.drafting import draft_config
from seqconv.cli.drafting.given import name_of, read_given, source_here
from seqconv.config import Config, load_config
from seqconv.errors import ConfigError

# What init says of these is what a recipe says better.
_CHOSEN = ("batching", "model", "training")
_DRAFTED = ("data", "target", "split", "features")


def config_of_manifest(
    manifest: str, recipe: str, settings: Sequence[str], more: Sequence[tuple[str, Any]] = ()
) -> Config:
    """Return the config of a recipe for recordings.

    Where two readings are possible, it is asked about on the terminal, as by `seqconv init`.

    Args:
        manifest: a folder, a table or a `.ts` file.
        recipe: rocket, deep or auto.
        settings: overrides of the config, `KEY=VALUE`; the draft is made around them.
        more: further overrides.

    Raises:
        ConfigError, ManifestError, AudioError: what cannot be learned from, or several readings and nobody to ask.
    """
    source = source_here(manifest)
    in_sections = [setting for setting in settings if setting.partition("=")[0].split(".")[0] in _DRAFTED]
    draft = draft_config(source, f"{name_of(source)}.yaml", given=read_given(in_sections))
    values = {name: section for name, section in draft.values.items() if name not in _CHOSEN}
    drafted = draft.values.get("training", {})
    if "class_weight" in drafted:
        values["training"] = {"class_weight": drafted["class_weight"]}
    if draft.config.model.predicts_frames:
        if recipe != "deep":
            raise ConfigError(
                f"--recipe {recipe} learns labels of whole sequences, and {manifest} has labels of frames. Use "
                "--recipe deep, or cut windows: --set data.windows.seconds=1"
            )
        values["model"] = {"pooling": "frames"}
    elif recipe == "deep":
        # As many steps as so many sequences need.
        values["training"] = {**values.get("training", {}), "epochs": drafted["epochs"]}
        values["batching"] = {"batch_size": draft.values["batching"]["batch_size"]}
    # Recipes make other splits than those of the draft, and the run says which.
    print("\n".join(draft.of_data))
    return load_config({**values, "recipe": recipe}, [*settings, *more])
