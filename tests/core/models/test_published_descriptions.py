"""The keys of config.json as models are published with them: none is unknown. What sees and hears is cut short."""

import json
import pathlib

import pytest
from folder_models import mx
from test_folders import run_import

PUBLISHED = json.loads(pathlib.Path(__file__).with_name("published_descriptions.json").read_text())


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_key_is_known(name, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(PUBLISHED[name]))
    mx.save_safetensors(str(folder / "model.safetensors"), {"no.weight": mx.zeros((2, 2))})
    run, _ = run_import(folder, tmp_path / "home")
    assert "does not know the tensor 'no.weight'" in run.stderr  # which is read behind config.json
