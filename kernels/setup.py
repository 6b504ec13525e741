"""Builds the kernels once for each kind of processor; headers of XLA's foreign calls come with jaxlib."""

import importlib.util
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path("src/weightspace_kernels")
COMMON = ["-std=c++17", "-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-mfma", "-w"]
PROCESSORS = {
    "avx512": ["-mavx512f", "-mavx512vl", "-mavx512dq", "-mavx512bw", "-mprefer-vector-width=512"],
    "avx2": ["-mavx2"],
}


class Library(build_ext):
    """Shared libraries that no Python module stands for: they are loaded by path."""

    def get_export_symbols(self, ext: Extension) -> list[str]:
        """None beside those of the source."""
        return []

    def get_ext_filename(self, fullname: str) -> str:
        """Without the interpreter's tag, for none is used."""
        return str(Path(*fullname.split("."))) + ".so"


def include() -> str:
    """The folder of XLA's headers."""
    found = importlib.util.find_spec("jaxlib")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parent / "include")


setup(
    ext_modules=[
        Extension(
            f"weightspace_kernels.{name}", [str(HERE / "ffi.cpp")], language="c++",
            depends=[str(each) for each in HERE.glob("*.hpp")],
            extra_compile_args=[*COMMON, *flags, "-isystem", include()],
        )
        for name, flags in PROCESSORS.items()
    ],
    cmdclass={"build_ext": Library},
)  # fmt: skip
