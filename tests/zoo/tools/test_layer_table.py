"""The table of `python scripts/verify.py layers`."""

import json
import subprocess
import sys
from pathlib import Path

from tests.zoo.runs import ROOT

SCRIPT = ROOT / "scripts/verify.py"


def layers(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "theirs.py").write_text(
        "from torch.nn import *\nfrom torch.nn import Tanh as _Tanh\n\n\n"
        "class Tanh(_Tanh):\n    def forward(self, x):\n        return 1.001 * super().forward(x)\n"
    )
    command = [sys.executable, SCRIPT, "layers", "seconds=0", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_two_layers(tmp_path):
    """A difference in one of them, shown where it is, and exit status 1."""
    result = layers(tmp_path, "only=[Linear,Tanh]", "impl=theirs", "json=layers.json")
    assert result.returncode == 1, result.stderr
    linear, tanh = json.loads((tmp_path / "layers.json").read_text())
    assert linear["name"] == "Linear"
    assert linear["errors"]["exact"] == linear["errors"]["compile"] == 0.0
    assert linear["errors"]["vmap"] < 1e-14  # a product of batches may round otherwise
    assert linear["errors"]["tangent"] < 1e-14
    assert not linear["failures"]
    assert {"exact", "second order", "tangent", "vmap", "compile"} <= tanh["failures"].keys()
    assert "Rerun: scratch.testing.layers." in result.stdout


def test_an_unknown_layer(tmp_path):
    result = layers(tmp_path, "only=Liner")
    assert result.returncode == 2
    assert result.stderr.startswith("error: only=Liner: unknown")
    assert "Linear" in result.stderr
