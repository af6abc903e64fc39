"""The harness, which judges, imports nothing of what it judges."""

import subprocess
import sys
from pathlib import Path

import scratch

CODE = """
import sys, types
bare = types.ModuleType("scratch")  # without its __init__, which imports the layers
bare.__path__ = [sys.argv[1]]
sys.modules["scratch"] = bare
import scratch.testing.__main__, scratch.testing.cases, handgrad_pytest
print([name for name in sys.modules if name.startswith(("scratch.ops", "scratch.nn", "scratch.optim", "zoo"))])
"""


def test_it_imports_nothing_of_scratch() -> None:
    root = Path(scratch.__file__).parent
    call = [sys.executable, "-c", CODE, str(root)]
    told = subprocess.run(call, capture_output=True, text=True, check=True, cwd=root.parent)
    assert told.stdout.strip() == "[]"
