"""Fixtures that every test may rely on."""

import gc
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")
# Some processors need the word to use the kernels that others use anyway.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import pytest
import tensorflow as tf

# Tests run side by side, one per core.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)

# What the imports have made stays; no later collection need look through it.
gc.freeze()


@pytest.fixture(autouse=True)
def fresh_seed():
    """Every test starts from the same random state."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)


@pytest.fixture
def real_data() -> Path:
    """The folder of real data sets, where it is known."""
    folder = os.environ.get("KERAS_CAKES_DATA")
    if not folder:
        pytest.skip("KERAS_CAKES_DATA is not set")
    return Path(folder)
