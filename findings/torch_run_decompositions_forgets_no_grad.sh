#!/usr/bin/env bash
# torch.export keeps a torch.no_grad() block of a module's forward, and ExportedProgram.run_decompositions() drops
# it: parameters behind the block have no gradient in the module and in the exported program, and one in the
# decomposed program, so that an optimiser trains what the author rested. No warning is given.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy 2>/dev/null
cat > "$folder/try.py" <<'PY'
import sys

import torch


class Gated(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.learned, self.rested = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)

    def forward(self, x):
        with torch.no_grad():
            gate = self.rested(x)
        return self.learned(x) * gate


def reached(module, x):
    """The parameters that a gradient of the outputs reaches."""
    module.zero_grad()
    module(x).sum().backward()
    return sorted(name for name, p in module.named_parameters() if p.grad is not None)


torch.manual_seed(0)
module, x = Gated(), torch.ones(4, 3)
exported = torch.export.export(module, (x,))
found = {
    "the module": reached(module, x),
    "exported": reached(exported.module(), x),
    "decomposed": reached(exported.run_decompositions().module(), x),
}
print("torch", torch.__version__)
for what, names in found.items():
    print(f"gradients in {what}: {', '.join(names)}")
seen = found["the module"] == found["exported"] != found["decomposed"]
print("run_decompositions() forgets torch.no_grad():", seen)
sys.exit(0 if seen else 1)
PY
"$folder/venv/bin/python" "$folder/try.py" 2>/dev/null
