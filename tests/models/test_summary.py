import torch
from torch import nn

from posekit.models.summary import count_macs, count_parameters, unused_parameters


def test_macs_worked_by_hand():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1),  # 4 x 3 x 3 x 3 weights on 4 x 3 positions
        nn.BatchNorm2d(4),
        nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False),  # 4 x 1 x 3 x 3 on 4 x 3
        nn.ConvTranspose2d(4, 2, 4, stride=2, padding=1),  # 4 x 2 x 4 x 4 on the 8 x 6 it gives
        nn.Flatten(2),
        nn.Linear(48, 5),  # 48 x 5 on 2 rows
    )
    assert count_macs(network, (3, 8, 6)) == 108 * 12 + 36 * 12 + 128 * 48 + 240 * 2
    assert count_parameters(network) == (108 + 4) + 8 + 36 + (128 + 2) + (240 + 5)


def test_a_layer_used_twice_counts_twice():
    layer = nn.Conv2d(3, 3, 1)
    assert count_macs(nn.Sequential(layer, layer), (3, 2, 2)) == 2 * 9 * 4


def test_counting_leaves_the_network_as_it_was():
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Dropout())
    network[1].eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    count_macs(network, (3, 4, 4))
    unused_parameters(network, (3, 4, 4))
    assert [part.training for part in network] == [True, False, True]
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert not network[0]._forward_hooks
    assert network[0].weight.grad is None


class _Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.used = nn.Conv2d(3, 1, 1)
        self.computed = nn.Conv2d(3, 1, 1)
        self.idle = nn.Linear(2, 2)

    def forward(self, image):
        self.computed(image)
        return [self.used(image)]


def test_unused_parameters_are_named():
    network = _Branches()
    network.idle.requires_grad_(False)
    assert unused_parameters(network, (3, 4, 4)) == ["computed.weight", "computed.bias"]
