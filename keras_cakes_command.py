"""Entry point of the command `keras-cakes`.

It stands beside the package: TensorFlow reads these variables when it is
imported, and importing the package imports it.
"""

import os


def main() -> int:
    """Sets TensorFlow's start-up variables and runs the command."""
    # TensorFlow leaves oneDNN's kernels off on many CPUs, where they make
    # 3D convolutions several times faster.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    from keras_cakes.runs.commands.main import main as run

    return run()
