#!/usr/bin/env bash
# One option of XLA has two spellings of its values: what XLA_FLAGS takes, jax.jit's compiler_options refuses, and
# the other way round. A program that passes a user's flag on to compiler_options fails at compilation; the names
# that it takes stand in no message.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2
cat > "$folder/try.py" <<'PY'
import sys

import jax
import jax.numpy as jnp
import jaxlib

OPTION = "xla_cpu_experimental_ynn_fusion_type"
SHORT, LONG = "individual_convolution", "LIBRARY_FUSION_TYPE_INDIVIDUAL_CONVOLUTION"


def compiles(value):
    """Whether a convolution compiles with the option as `compiler_options`."""
    def convolved(x, kernel):
        return jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    program = jax.jit(convolved, compiler_options={OPTION: value})
    try:
        program.lower(jnp.ones((8, 14, 14, 16)), jnp.ones((3, 3, 16, 32))).compile()
    except Exception as error:
        return f"refused: {str(error).splitlines()[0]}"
    return "taken"


if len(sys.argv) > 1:
    jax.jit(lambda x: x + 1)(1.0)
    print("taken")
else:
    print("jax", jax.__version__, "jaxlib", jaxlib.__version__)
    for value in (SHORT, LONG):
        print(f"compiler_options {value}: {compiles(value)}")
    assert compiles(SHORT).startswith("refused") and "is not a valid enum value" in compiles(SHORT)
    assert compiles(LONG) == "taken"
PY
cd "$folder"
echo "XLA_FLAGS with the short name:"
XLA_FLAGS="--xla_cpu_experimental_ynn_fusion_type=individual_convolution" venv/bin/python try.py flag
venv/bin/python try.py
echo "The short name is a value of XLA_FLAGS and none of compiler_options, which take the name of the enum in full."
