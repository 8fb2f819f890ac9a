"""Builds the compiled twin of the IMAP readers (`postroom/imap/compiled.pyx`) where it can.

Run by pip, in its own environment with Cython and setuptools (pyproject.toml), for wheels and for
`pip install --editable`. It is never required: without a C compiler or the headers of Python, the
installation goes on, says one line, and the pure readers are used. A wheel with the twin is one
for this platform and Python; without it, one for all. An editable installation gets the twin next
to its source. The C that Cython makes is thrown away: only the source is kept and distributed.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MODULE = "postroom.imap.compiled"
SOURCE = "postroom/imap/compiled.pyx"
# Every read is checked by the source itself; -O3 gains nothing over -O2, debug symbols are 5 times
# the code.
FLAGS = ("-O2", "-g0")


class CompiledTwin(BuildHookInterface[Any]):
    """The hook that pyproject.toml names."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, and have the wheel take what was built."""
        package = Path(self.root) / Path(SOURCE).parent
        # One of another Python stays: two environments may share the source.
        stale = package / f"compiled{sysconfig.get_config_var('EXT_SUFFIX')}"
        stale.unlink(missing_ok=True)
        said = io.StringIO()
        with tempfile.TemporaryDirectory() as made:
            try:
                # Compilers write to the file descriptors; what Python code says is kept here.
                with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                    built = compile_twin(Path(self.root), Path(made))
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a toolchain raises
                self.app.display_warning(f"postroom: no compiled IMAP readers ({_first(error)})")
                return
            shutil.copy2(built, package / built.name)
        if version != "editable":
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
        build_data["artifacts"].append(f"/postroom/imap/{built.name}")


def compile_twin(root: Path, made: Path) -> Path:
    """The extension, built below `made`."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    # Cython finds the included files and the module's name by the source's place in its package.
    with contextlib.chdir(root):
        extensions = cythonize(
            [Extension(MODULE, [SOURCE], extra_compile_args=[*FLAGS])],
            build_dir=str(made / "c"),
            quiet=True,
        )
        command = build_ext(Distribution({"name": "postroom", "ext_modules": extensions}))
        command.build_lib = str(made / "lib")
        command.build_temp = str(made / "temp")
        command.ensure_finalized()
        command.run()
    return Path(made / "lib" / command.get_ext_filename(MODULE))


def _first(error: BaseException) -> str:
    """The first line of what went wrong."""
    return (str(error) or type(error).__name__).splitlines()[0][:200]
