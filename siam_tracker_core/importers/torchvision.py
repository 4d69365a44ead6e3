"""torchvision's ImageNet classifiers, of which the convolutions are kept (pytorch/vision:torchvision/models)."""

from __future__ import annotations

from siam_tracker_core.importers.published import Published
from siam_tracker_core.networks import BACKBONES

SOURCE = "pytorch/vision:torchvision/models"
CLASSIFIER = ("classifier.",)


def _kind(title: str, file: str, backbone: str, left_out: tuple[str, ...] = CLASSIFIER, bgr: str = "") -> Published:
    return Published(
        description=title,
        source=f"{SOURCE}/{file}",
        network=BACKBONES[backbone],
        metadata={"network": {"backbone": backbone}},
        left_out=left_out,
        bgr=bgr,
    )


KINDS = {
    "torchvision-alexnet": _kind("torchvision's AlexNet", "alexnet.py", "alexnet_owt"),
    "torchvision-vgg16": _kind("torchvision's VGG-16", "vgg.py", "vgg16"),
    "torchvision-vgg19": _kind("torchvision's VGG-19", "vgg.py", "vgg19"),
    "torchvision-resnet50": _kind("torchvision's ResNet-50", "resnet.py", "resnet50", ("layer4.", "fc.")),
    "torchvision-mobilenetv2": _kind(
        "torchvision's MobileNetV2",
        "mobilenetv2.py",
        "mobilenetv2",
        (*(f"features.{block}." for block in range(11, 19)), *CLASSIFIER),
    ),
    "torchvision-mobilenetv2-stride16": _kind(
        "torchvision's MobileNetV2",
        "mobilenetv2.py",
        "mobilenetv2_stride16",
        (*(f"features.{block}." for block in range(14, 19)), *CLASSIFIER),
    ),
    # Caffe's weights under torchvision's names: its input is BGR in 0..255 less 104.007, 116.669, 122.679.
    "caffe-vgg16": _kind("Caffe's VGG-16", "vgg.py", "vgg16_caffe", CLASSIFIER, bgr="features.0.weight"),
}
