"""The generator stands in `data/`, beside the package: put the repository root on the path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
