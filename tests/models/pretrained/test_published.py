"""Checkpoints as the authors write them, against PyTorch itself."""

import builtins

import keras
import numpy as np
import pytest
import torch
from torch import nn

import keras_cakes as kc
from keras_cakes.models import load_published

SHAPE = (4, 32, 32, 3)
CLASSES = 5
FULL = (3, 3, 3)


class Split(nn.Module):
    """Branches side by side, then one normalization."""

    def __init__(self, reads, counts, stride, norm="out"):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Sequential(_conv(reads, count, size, stride))
            for size, count in counts
            if count
        )
        total = sum(count for _, count in counts)
        if norm == "out":
            self.out = nn.Sequential(nn.BatchNorm3d(total), nn.ReLU())
        else:
            self.norm = nn.BatchNorm3d(total)

    def forward(self, x):
        return self.out(torch.cat([conv(x) for conv in self.convs], dim=1))


class Whole(nn.Module):
    """One convolution after the other, then one normalization."""

    def __init__(self, filters, sizes, stride):
        super().__init__()
        convs = [
            _conv(filters, filters, size, stride if i == 0 else 1)
            for i, size in enumerate(sizes)
        ]
        self.op = nn.Sequential(*convs, nn.BatchNorm3d(filters), nn.ReLU())

    def forward(self, x):
        return self.op(x)


def _conv(reads, filters, size, stride=1):
    return nn.Conv3d(
        reads,
        filters,
        size,
        stride=(1, stride, stride),
        padding=tuple(s // 2 for s in size),
        bias=False,
    )


class Block(nn.Module):
    def __init__(self, reads, filters, stride, mixed, copies):
        super().__init__()
        wide = 4 * filters
        self.conv1 = _conv(reads, filters, (1, 1, 1))
        self.bn1 = nn.BatchNorm3d(filters)
        self.convT = mixed
        self.conv3 = _conv(copies * filters, wide, (1, 1, 1))
        self.bn3 = nn.BatchNorm3d(wide)
        self.downsample = None
        if reads != wide:
            self.downsample = nn.Sequential(
                _conv(reads, wide, (1, 1, 1), stride), nn.BatchNorm3d(wide)
            )

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(self.convT(y)))
        shortcut = x if self.downsample is None else self.downsample(x)
        return torch.relu(y + shortcut)


class Net(nn.Module):
    """ResNet-50 on clips; `make` builds the layer that differs."""

    def __init__(self, make, copies=1):
        super().__init__()
        self.conv1 = _conv(3, 64, (1, 7, 7), 2)
        self.bn1 = nn.BatchNorm3d(64)
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        reads, index = 64, 0
        stages = ((3, 64), (4, 128), (6, 256), (3, 512))
        for stage, (blocks, filters) in enumerate(stages, start=1):
            layers = []
            for block in range(blocks):
                stride = 2 if stage > 1 and block == 0 else 1
                mixed = make(index, filters, stride)
                layers.append(Block(reads, filters, stride, mixed, copies))
                reads, index = 4 * filters, index + 1
            setattr(self, f"layer{stage}", nn.Sequential(*layers))
        self.fc = nn.Linear(2048, CLASSES)

    def forward(self, x):
        x = self.pool(torch.relu(self.bn1(self.conv1(x))))
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        return self.fc(x.mean((3, 4)).transpose(1, 2)).mean(1)


def _trained(net):
    """Weights and statistics as after training, of a size that adds up."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if value.ndim == 1 and "num_batches" not in name:
                value.uniform_(0.5, 1.0, generator=generator)
    return net.eval()


def _save(net, path, **renamed):
    state = {}
    for key, value in net.state_dict().items():
        if key.startswith("fc."):
            state[f"module.new_{key}"] = value
        else:
            state[f"module.base_model.{key}"] = value
    torch.save({"epoch": 70, "state_dict": {**state, **renamed}}, path)
    return path


def _split(configuration):
    layers = list(configuration.values())

    def make(index, filters, stride):
        # A branch without channels is absent, as in two published networks.
        counts = [
            (kernel, layers[index].counts.get(str(kernel), 0))
            for kernel in kc.kernels.kernel_set("video_1d2d3d")
        ]
        return Split(filters, counts, stride)

    return make


def _all(kernels, norm="out"):
    def make(index, filters, stride):
        counts = [(kernel, filters) for kernel in kernels]
        return Split(filters, counts, stride, norm)

    return make


NETWORKS = {
    "c2d": (lambda i, c, s: Whole(c, [(1, 3, 3)], s), 1),
    "c3d": (lambda i, c, s: Whole(c, [FULL], s), 1),
    "p3d": (lambda i, c, s: Whole(c, [(1, 3, 3), (3, 1, 1)], s), 1),
    "found": (
        _split(kc.Configuration.preset("resnet50_ssv1_1d2d3d_cost")),
        1,
    ),
    "cost search": (_all([FULL, (1, 3, 3)]), 2),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_are_those_of_pytorch(tmp_path, name):
    torch.manual_seed(0)
    net = _trained(Net(*NETWORKS[name]))
    model = load_published(_save(net, tmp_path / "net.pth.tar"), SHAPE)
    clip = np.random.default_rng(0).normal(size=(1, *SHAPE)).astype("float32")
    with torch.no_grad():
        expected = net(torch.from_numpy(np.moveaxis(clip, -1, 1)))
    np.testing.assert_allclose(
        model(clip), expected.numpy(), rtol=1e-4, atol=1e-4
    )


def test_counts_are_read_off_the_weights(tmp_path):
    preset = kc.Configuration.preset("resnet50_ssv1_1d2d3d_performance")
    net = Net(_split(preset))
    model = load_published(_save(net, tmp_path / "net.pth.tar"), SHAPE)
    for name, assignment in preset.items():
        assert model.get_layer(name).assignment == assignment
    assert model.get_layer("stage1_block1_mixed").assignment.counts == {
        "3x3x3": 24,
        "1x3x3": 40,
    }


@pytest.mark.filterwarnings("ignore:`supernet` is expected to be trained")
def test_performance_search(tmp_path):
    kernels = kc.kernels.kernel_set("video_1d2d3d")
    net = _trained(Net(_all(kernels, norm="norm")))
    model = load_published(_save(net, tmp_path / "net.pth.tar"), SHAPE)
    supernet = kc.Supernet(model)
    assert supernet.priority == "performance"
    layer = model.get_layer("stage2_block0_mixed")
    theirs = net.layer2[0].convT
    for index, weights in enumerate(layer.candidates):
        expected = theirs.convs[index][0].weight.detach().numpy()
        np.testing.assert_array_equal(
            np.moveaxis(np.asarray(weights), (-1, -2), (0, 1)), expected
        )
    np.testing.assert_array_equal(
        np.ravel(layer.path_normalization.gamma), theirs.norm.weight.detach()
    )
    assert len(kc.derive(supernet)) == 16


def test_a_file_that_is_no_such_checkpoint_is_named(tmp_path, monkeypatch):
    net = Net(NETWORKS["c2d"][0])
    path = tmp_path / "net.pth.tar"
    key = "module.base_model.layer1.0.bn1.weight"
    _save(net, path, **{key: torch.zeros(3)})
    match = r"net.pth.tar: .*\(64,\).*'stage1_block0_reduce_norm'.*\(3,\)"
    with pytest.raises(ValueError, match=match):
        load_published(path, SHAPE)
    _save(net, path, **{"module.base_model.extra": torch.zeros(3)})
    with pytest.raises(ValueError, match="unknown keys.*'extra'"):
        load_published(path, SHAPE)
    torch.save({"state_dict": {"module.conv1.weight": torch.zeros(1)}}, path)
    with pytest.raises(ValueError, match="the key 'fc.weight' is expected"):
        load_published(path, SHAPE)
    state = {k: v for k, v in net.state_dict().items() if "convT" not in k}
    torch.save({"state_dict": state}, path)
    with pytest.raises(ValueError, match="'layer1.0.convT.convs.0.0.weight'"):
        load_published(path, SHAPE)
    path.write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="net.pth.tar: a checkpoint of PyTor"):
        load_published(path, SHAPE)
    with pytest.raises(FileNotFoundError, match="absent"):
        load_published(tmp_path / "absent", SHAPE)

    imported = builtins.__import__

    def without_torch(name, *arguments, **kwargs):
        if name == "torch":
            raise ImportError(name)
        return imported(name, *arguments, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_torch)
    with pytest.raises(ImportError, match=r"keras-cakes\[torch\]"):
        load_published(path, SHAPE)


class Harmful:
    def __reduce__(self):
        return print, ("run",)


def test_nothing_in_a_file_is_run(tmp_path, capsys):
    path = tmp_path / "harmful.pth.tar"
    torch.save({"state_dict": {"fc.weight": Harmful()}}, path)
    with pytest.raises(ValueError, match="harmful.pth.tar: a checkpoint"):
        load_published(path)
    assert capsys.readouterr().out == ""
    keras.backend.clear_session()
