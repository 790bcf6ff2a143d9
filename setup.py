"""All is in pyproject.toml. This says first what an unsupported Python is told last.

pip asks for `requires-python` when it has fetched PyTorch already.
"""

import re
import sys
from pathlib import Path

from setuptools import setup

project = Path(__file__).with_name("pyproject.toml").read_text("utf8")
low, high = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', project).groups()
if not (3, int(low)) <= sys.version_info[:2] < (3, int(high)):
    sys.exit(
        f"Descent needs a Python from 3.{low} to 3.{int(high) - 1}, "
        f"this is {sys.version_info[0]}.{sys.version_info[1]}."
    )
setup()
