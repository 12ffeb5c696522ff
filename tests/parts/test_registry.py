"""Registries: names are unique, sections know what is registered, and identity follows version and text."""

import importlib.util
import sys
from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import ValidationError

from seqconv.errors import ConfigError
from seqconv.parts import OneOf, Registry, Section, register

SHAPES: "Registry[type[Shape]]" = Registry("shape")


class Shape(Section):
    registry: ClassVar = SHAPES
    version: ClassVar[int] = 1


@register
class Circle(Shape):
    type: Literal["circle", "disc"]
    radius: float = 1.0


class Drawing(Section):
    shapes: tuple[Annotated[Shape, OneOf(SHAPES)], ...] = ()


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


PLUGIN = """
from typing import Literal
from {home} import Shape
from seqconv.parts import register

@register
class Square(Shape):
    type: Literal["square"]
    side: int
"""


@pytest.fixture
def square(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "shapes_of_the_test", sys.modules[__name__])
    path = tmp_path / "my_shapes.py"
    path.write_text(PLUGIN.format(home="shapes_of_the_test"))
    yield path
    sys.modules.pop(path.stem, None)
    for kept in (SHAPES._parts, SHAPES._origins):
        kept.pop("square", None)


def test_a_section_takes_what_is_registered_after_it_was_defined(square):
    with pytest.raises(ValidationError, match="square"):
        Drawing.model_validate({"shapes": [{"type": "square", "side": 2}]})
    load(square)
    drawing = Drawing.model_validate({"shapes": [{"type": "square", "side": 2}, {"type": "disc"}]})
    assert drawing.model_dump()["shapes"] == ({"type": "square", "side": 2}, {"type": "disc", "radius": 1.0})
    with pytest.raises(ValidationError, match="side"):
        Drawing.model_validate({"shapes": [{"type": "square", "side": "long"}]})
    assert "Square" in str(Drawing.model_json_schema())


def test_a_name_is_taken_once(square):
    load(square)
    load(square)
    square.write_text(square.read_text() + "\n# edited\n")
    with pytest.raises(ConfigError, match=r"shape 'square': my_shapes\.py has registered that name"):
        load(square)
    with pytest.raises(ConfigError, match=r"shape 'disc': test_registry\.py has registered that name"):

        @register
        class Disc(Shape):
            type: Literal["disc"]


def test_identity_follows_version_and_text(square):
    load(square)
    first = SHAPES.identity("square")
    assert first["version"] == 1
    assert first["plugin"] == "my_shapes.py"
    SHAPES._parts.pop("square")
    square.write_text(square.read_text() + "\n")
    load(square)
    assert SHAPES.identity("square")["digest"] != first["digest"]


def test_what_is_unknown_is_named():
    with pytest.raises(ConfigError, match=r"there is no shape 'circel'; did you mean 'circle'.*plugins"):
        SHAPES["circel"]
    with pytest.raises(ConfigError, match="of no kind that can be registered"):
        register(int)
