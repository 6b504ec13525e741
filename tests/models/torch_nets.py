"""Networks as people write them in PyTorch: one of each kind, tiny."""

import pytest

from tests.models import nets

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402, N812 (as everyone does)
from torch import nn  # noqa: E402


class Net(nn.Module):
    """That of the battery of all adapters."""

    def __init__(self, width, rate=0.0):
        super().__init__()
        self.first = nn.Linear(nets.INPUTS, width)
        self.norm = nn.BatchNorm1d(width, momentum=1 - nets.MOMENTUM)
        self.drop = nn.Dropout(rate)
        self.last = nn.Linear(width, nets.OUTPUTS)

    def forward(self, x):
        return self.last(self.drop(torch.tanh(self.norm(self.first(x)))))


class Mlp(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.hidden, self.out = nn.Linear(64, width), nn.Linear(width, 10)

    def forward(self, x):
        return self.out(torch.relu(self.hidden(torch.flatten(x, 1))))


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 3, 5, padding=2), nn.Conv2d(3, 4, 3)
        self.fc1, self.fc2 = nn.Linear(4, 6), nn.Linear(6, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), (2, 2))
        x = x.view(x.size(0), -1)
        return self.fc2(F.relu(self.fc1(x)))


class Block(nn.Module):
    """The basic block of a ResNet."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet18(nn.Module):
    """Of CIFAR: four stages of two blocks, with few channels."""

    def __init__(self, width=2):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        stages, inputs = [], width
        for number in range(4):
            outputs = width * 2 ** min(number, 2)
            for block in range(2):
                stages.append(Block(inputs, outputs, 2 if number and not block else 1))
                inputs = outputs
        self.layers = nn.Sequential(*stages)
        self.fc = nn.Linear(inputs, 10)

    def forward(self, x):
        x = self.layers(self.stem(x))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class Vgg(nn.Module):
    def __init__(self):
        super().__init__()
        layers, inputs = [], 3
        for width in (4, "M", 6, 6, "M"):
            if width == "M":
                layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            else:
                layers += [
                    nn.Conv2d(inputs, width, 3, padding=1),
                    nn.BatchNorm2d(width),
                    nn.ReLU(inplace=True),
                ]
                inputs = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Linear(6 * 4, 8), nn.ReLU(True), nn.Linear(8, 10))

    def forward(self, x):
        return self.classifier(self.features(x).reshape(x.shape[0], -1))


class MobileNet(nn.Module):
    def __init__(self):
        super().__init__()

        def unit(inputs, outputs, size, stride=1, groups=1):
            return nn.Sequential(
                nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU6(),
            )

        self.stem = unit(3, 4, 3, 2)
        self.expand, self.deep, self.project = unit(4, 8, 1), unit(8, 8, 3, groups=8), nn.Conv2d(8, 4, 1)
        self.head = nn.Linear(4, 10)

    def forward(self, x):
        x = self.stem(x)
        x = x + self.project(self.deep(self.expand(x)))
        return self.head(x.mean([2, 3]))


class Vit(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.places = nn.Parameter(torch.randn(1, 5, width) * 0.02)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 12), nn.GELU(), nn.Linear(12, width))
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.places
        h = self.norm1(x)
        x = x + self.attention(h, h, h, need_weights=False)[0]
        x = x + self.mlp(self.norm2(x))
        return self.head(x[:, 0])


class Lstm(nn.Module):
    def __init__(self, kind=nn.LSTM, **how):
        super().__init__()
        self.rnn = kind(4, 5, batch_first=True, **how)
        self.head = nn.Linear(10 if how.get("bidirectional") else how.get("proj_size") or 5, 10)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])


class Bag(nn.Module):
    """Classifies a text by the mean of its words, of which number 0 stands for none."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(12, 6, padding_idx=0)
        self.head = nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 10))

    def forward(self, x):
        mask = (x != 0).unsqueeze(-1)
        x = (self.words(x) * mask).sum(1) / mask.sum(1).clamp(min=1)
        return F.log_softmax(self.head(x), dim=-1)


class Tied(nn.Module):
    """A decoder that reads by the table that it writes by."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(12, 6)
        self.mix = nn.Linear(6, 6)
        self.out = nn.Linear(6, 12, bias=False)
        self.out.weight = self.words.weight

    def forward(self, x):
        return self.out(torch.tanh(self.mix(self.words(x).mean(1))))


class Dropping(nn.Module):
    def __init__(self, rate=0.4):
        super().__init__()
        self.rate = rate
        self.hidden, self.out = nn.Linear(64, 6), nn.Linear(6, 10)

    def forward(self, x):
        x = F.dropout(F.gelu(self.hidden(x.flatten(1))), p=self.rate, training=self.training)
        return self.out(x)
