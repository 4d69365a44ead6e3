"""Which published files are refused, and what the import tells and writes, whatever their kind."""

from __future__ import annotations

import io
import pickletools
from collections import OrderedDict

import pytest
import torch
from made_published import State, made_dasiamrpn, made_mdnet, made_siamfc, made_torchvision_alexnet

from siam_tracker_core.commands.import_checkpoint import import_checkpoint as command
from siam_tracker_core.config import read_config
from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.importers import KINDS, import_checkpoint
from siam_tracker_core.networks import backbone
from siam_tracker_core.trackers.mdnet import MDNetConfig
from siam_tracker_core.trackers.siamfc import SiamFCConfig
from siam_tracker_core.trackers.siamrpn import SiamRPNConfig
from siam_tracker_core.weights import load_into, read_weights

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.fixture(scope="module")
def siamfc_state():
    torch.manual_seed(1)
    return made_siamfc()


def test_part_backbone_loads_by_the_name_it_tells(siamfc_state, saved, tmp_path):
    out = tmp_path / "backbone.safetensors"
    command("siamfc-pytorch", saved(siamfc_state), out, part="backbone")
    state, metadata = read_weights(out)
    assert "tracker" not in metadata
    load_into(backbone(metadata["network"]["backbone"]), state, str(out))
    assert metadata["provenance"]["imported"] == "siamfc-pytorch"
    assert len(metadata["provenance"]["sha256"]) == 64


def test_the_command_tells_what_it_left_out(saved, tmp_path, capsys):
    command("torchvision-alexnet", saved(made_torchvision_alexnet()), tmp_path / "alexnet.safetensors")
    told = capsys.readouterr().out
    assert "10 tensors of torchvision-alexnet, 4.9 MB" in told
    assert "left out, for the network has no place for them: classifier.1.bias, classifier.1.weight" in told


# Files that cannot be read


def test_every_tensor_that_does_not_fit_is_named_as_published(saved):
    state = made_dasiamrpn()
    del state["featureExtract.4.weight"], state["featureExtract.9.running_var"]
    state["conv_r2.bias"] = torch.zeros(255)
    state["conv_x"] = torch.zeros(2)
    with pytest.raises(WeightsError) as error:
        import_checkpoint("dasiamrpn-otb", saved(state))
    assert str(error.value).endswith(
        "published.pth is no checkpoint of DaSiamRPN's SiamRPNotb: "
        "missing: featureExtract.4.weight, featureExtract.9.running_var; unused: conv_x; "
        "of another shape: conv_r2.bias (255,) instead of (256,)"
    )


def test_a_checkpoint_of_another_kind(siamfc_state, saved):
    with pytest.raises(WeightsError, match=r"has none of its \d+ tensors, such as conv1.0.bias, but 30 others"):
        import_checkpoint("py-mdnet", saved(siamfc_state))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1, 2, 3], "but a list"),
        ({}, "but a mapping of nothing"),
        ({"epoch": 3, "optimizer": {"lr": 0.1}}, "but a mapping of 'epoch', 'optimizer'"),
        ({"a": torch.zeros(1), "b": "text"}, "but a mapping of 'a', 'b'"),
    ],
)
def test_files_without_a_state_dict(saved, content, words):
    with pytest.raises(WeightsError, match=f"published.pth holds no state dict, .*{words}"):
        import_checkpoint("siamfc-pytorch", saved(content))


def test_nothing_in_a_file_is_run(saved, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    path = saved({"state_dict": Trap()})
    with pytest.raises(WeightsError, match="holds more than tensors and plain values"):
        import_checkpoint("siamfc-pytorch", path)
    with pytest.raises(WeightsError, match="holds more than tensors"):  # a whole pickled network
        import_checkpoint("siamfc-pytorch", saved(backbone("alexnet")))
    assert not (tmp_path / "sprung").exists()


def test_damaged_and_missing_files(siamfc_state, saved, tmp_path):
    with pytest.raises(WeightsError, match="does not exist"):
        import_checkpoint("siamfc-pytorch", tmp_path / "none.pth")
    with pytest.raises(WeightsError, match="is no file"):
        import_checkpoint("siamfc-pytorch", tmp_path)
    path = saved(siamfc_state)
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"\x80\x02garbage"):
        path.write_bytes(damaged)
        with pytest.raises(WeightsError, match="is truncated, no PyTorch file"):
            import_checkpoint("siamfc-pytorch", path)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(content[:100])
    with pytest.raises(WeightsError, match="truncated or no safetensors file"):
        import_checkpoint("siamfc-pytorch", broken)


def as_python_2_wrote_it(state: State) -> bytes:
    """The old format with byte strings for names, as PyTorch 0.3 under Python 2.7 has it."""
    stream = io.BytesIO()
    torch.save(OrderedDict(state), stream, _use_new_zipfile_serialization=False, pickle_protocol=2)
    stream.seek(0)
    written = bytearray()
    for _ in range(5):  # pickles: magic number, protocol, system, state dict, storage keys; then raw numbers
        operations = list(pickletools.genops(stream))
        ends = [position for _, _, position in operations[1:]] + [stream.tell()]
        for (operation, argument, position), end in zip(operations, ends, strict=True):
            if operation.name == "BINUNICODE":
                written += b"U" + bytes([len(argument)]) + argument.encode()
            else:
                written += stream.getvalue()[position:end]
    return bytes(written) + stream.read()


def test_files_of_python_2(tmp_path):
    state = made_mdnet()
    (tmp_path / "old.pth").write_bytes(as_python_2_wrote_it(state))
    imported = import_checkpoint("py-mdnet", tmp_path / "old.pth")
    torch.testing.assert_close(imported.state["fc4.0.weight"], state["fc4.0.weight"])


# The command


def test_unknown_kinds_and_parts(siamfc_state, saved, tmp_path):
    path = saved(siamfc_state)
    with pytest.raises(ConfigError, match=r"no kind of checkpoint 'yolo'; known are torchvision-alexnet, .*py-mdnet"):
        import_checkpoint("yolo", path)
    with pytest.raises(ConfigError, match=r"no part 'head' of a checkpoint; use all or backbone"):
        import_checkpoint("siamfc-pytorch", path, part="head")
    with pytest.raises(ConfigError, match=r"ends in \.safetensors"):
        command("siamfc-pytorch", path, tmp_path / "out.pth")


def test_a_file_that_exists_is_kept(siamfc_state, saved, tmp_path):
    out = tmp_path / "mine.safetensors"
    out.write_bytes(b"precious")
    with pytest.raises(ConfigError, match="exists already"):
        command("siamfc-pytorch", saved(siamfc_state), out)
    assert out.read_bytes() == b"precious"


def test_a_file_that_cannot_be_written(siamfc_state, saved, tmp_path):
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(WeightsError, match=r"new.safetensors could not be written \(.*\); give another name"):
        command("siamfc-pytorch", saved(siamfc_state), tmp_path / "taken" / "new.safetensors")
    (tmp_path / "new.partial").mkdir()  # what safetensors itself fails at
    with pytest.raises(WeightsError, match=r"new.safetensors could not be written"):
        command("siamfc-pytorch", saved(siamfc_state), tmp_path / "new.safetensors")


def test_a_weights_file_of_our_own_is_not_imported_again(siamfc_state, saved, tmp_path):
    out = tmp_path / "siamfc.safetensors"
    command("siamfc-pytorch", saved(siamfc_state), out)
    with pytest.raises(WeightsError, match="is a weights file of this package already"):
        import_checkpoint("siamfc-pytorch", out)


def test_the_commands_help_names_every_kind():
    documented = command.__doc__.replace("\n", " ")
    assert all(kind in documented for kind in KINDS)


TRACKERS = {"mdnet": MDNetConfig, "siamfc": SiamFCConfig, "siamrpn": SiamRPNConfig}


def test_settings_are_ones_that_the_trackers_have():
    told = {kind: definition.metadata for kind, definition in KINDS.items() if "tracker" in definition.metadata}
    assert len(told) == 12
    for kind, metadata in told.items():
        read_config(TRACKERS[metadata["tracker"]], metadata["config"], kind)
