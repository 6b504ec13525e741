#!/usr/bin/env bash
# A straight-through sign (torch.autograd.Function whose backward passes the gradient on, as learned masks and
# quantised networks use it) exports without a warning: torch.export keeps the operators of its forward alone.
# Outputs of the exported program are the module's; its gradient is that of sign, zero, so that what was
# trained no longer moves.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy 2>/dev/null
cat > "$folder/try.py" <<'PY'
import sys
import warnings

import torch


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.sign(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scores = torch.nn.Parameter(torch.tensor([0.5, -2.0, 1.5]))

    def forward(self, x):
        return x * Sign.apply(self.scores)


def gradient(module, x):
    (scores,) = module.parameters()
    (found,) = torch.autograd.grad(module(x).sum(), scores)
    return found.tolist()


x, net = torch.ones(1, 3), Net()
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    program = torch.export.export(net, (x,), strict=False)
told = [str(each.message) for each in said if "radient" in str(each.message) or "Function" in str(each.message)]
before, after = gradient(net, x), gradient(program.module(), x)
print("torch", torch.__version__)
print("operators exported:", [str(node.target) for node in program.graph.nodes if node.op == "call_function"])
print("outputs equal:", torch.equal(net(x), program.module()(x)))
print("gradient of the module:", before)
print("gradient of the exported program:", after)
print("warnings about gradients:", told)
seen = before == [1.0, 1.0, 1.0] and after == [0.0, 0.0, 0.0] and not told
print("the module's own gradient is lost without a word:", seen)
sys.exit(0 if seen else 1)
PY
"$folder/venv/bin/python" "$folder/try.py"
