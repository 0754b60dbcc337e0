"""Sessions of ONNX Runtime, as both networks want them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def open_session(path: Path, threads: int | None = None, gpu: bool = False) -> Any:
    """Load a network; with ``gpu`` onto one where ONNX Runtime knows one."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or min(8, os.cpu_count() or 1)
    options.log_severity_level = 3
    # Planning one block for all intermediate results costs U²-Net 200 MB more than taking them as they come.
    options.enable_mem_pattern = False
    wanted = ["CUDAExecutionProvider", "CPUExecutionProvider"][0 if gpu else 1 :]
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    return onnxruntime.InferenceSession(str(path), options, providers=providers)
