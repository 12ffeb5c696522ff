"""The JSON schema of config files, with which editors complete and check them."""

from typing import Any

from seqconv.config.run import Config


def config_schema() -> dict[str, Any]:
    """Return the schema of `Config` as users may write it, shorthand included; each key with a description.

    >>> schema = config_schema()
    >>> schema["$defs"]["TCNBlock"]["properties"]["kernel_size"]["description"]
    'Frames that the kernel reads.'
    """
    schema = Config.model_json_schema()
    for section in schema["$defs"].values():
        for tag in ("type", "kind"):
            if tag in section["properties"]:
                # An editor that offers the types of blocks and poolings says with each what it is.
                section["properties"][tag].setdefault("description", section["description"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
