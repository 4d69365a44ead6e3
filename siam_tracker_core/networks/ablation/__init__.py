"""The networks that SiamDW studies before it builds its own (Figure 1, Tables 1 and 2), with their published counts.

Their details are in a supplement that is not at hand. Depth, receptive field, stride, feature size, padding and
branches are those that the tables print; which layers give them is this package's reading, told with each network.
"""

from siam_tracker_core.networks.ablation.inception import Inception
from siam_tracker_core.networks.ablation.plain import VGG10, AlexNetVariant
from siam_tracker_core.networks.ablation.resnet import BasicResNet

__all__ = ["VGG10", "AlexNetVariant", "BasicResNet", "Inception"]
