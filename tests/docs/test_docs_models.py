"""The page about models shows every block and head, and each of its configs is a model."""

import re
from pathlib import Path

import numpy as np
import pytest

from seqconv.config import load_config
from seqconv.models import AverageModel, Block, PoolingHead, build_model

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)


def test_every_block_and_head_is_on_the_page():
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert {*Block.registry, *PoolingHead.registry} <= named


@pytest.mark.parametrize("text", BLOCKS, ids=range(len(BLOCKS)))
def test_each_config_is_a_model(text, tmp_path):
    path = tmp_path / "page.yaml"
    path.write_text(text, encoding="utf-8")
    config = load_config(path)
    models = [
        build_model(each.model.fitted_to(np.array([100])), num_features=40, num_outputs=3)
        for each in config.member_configs() or [config]
    ]
    model = models[0] if len(models) == 1 else AverageModel(models)
    assert model.output_shape == ((None, None, 3) if model.predicts_frames else (None, 3))
