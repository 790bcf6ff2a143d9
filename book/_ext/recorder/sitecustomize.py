"""Starts the recorder in every Python process of a chapter, kernel or child.

Python imports a module of this name by itself when it starts. The build puts this
folder, in which there is nothing else to import, on the path of its kernels.
"""

import importlib.util
import os
from pathlib import Path

if "DESCENT_RECORDER" in os.environ:
    _spec = importlib.util.spec_from_file_location(
        "_descent_recorder", Path(__file__).with_name("hook.py")
    )
    assert _spec is not None
    assert _spec.loader is not None
    _recorder = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(_recorder)
    _recorder.start(os.environ["DESCENT_RECORDER"])
    del _spec, _recorder
