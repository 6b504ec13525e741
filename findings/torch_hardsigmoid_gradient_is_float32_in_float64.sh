#!/usr/bin/env bash
# The gradient of torch.nn.functional.hardsigmoid between -3 and 3 is 1/6. On a CPU in float64 it is 1/6 rounded to
# float32 (0.1666666716337204), wrong by 3e-8 of itself, while the values of the function are right to 1e-16.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy 2>/dev/null
cat > "$folder/try.py" <<'PY'
import sys

import torch

x = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
y = torch.nn.functional.hardsigmoid(x)
y.backward()
print("torch", torch.__version__)
print(f"hardsigmoid(0.5) = {y.item()!r}, by its formula {0.5 / 6 + 0.5!r}")
print(f"its gradient = {x.grad.item()!r} ({x.grad.dtype}), by its formula {1 / 6!r}")
seen = abs(y.item() - (0.5 / 6 + 0.5)) < 1e-15 and abs(x.grad.item() - 1 / 6) > 1e-9
print("the gradient has float32's digits in float64:", seen)
sys.exit(0 if seen else 1)
PY
"$folder/venv/bin/python" "$folder/try.py"
