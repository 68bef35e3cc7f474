"""ClickHouse's engine as it was before and as it is after the version that Penstock is built with, on the same
directory. Neither has all of the functions that the engine child calls: what is missing is in ../engines, compiled
here. The child's cage lets it read nothing but its directory, so the libraries lie in there."""
import os
import pathlib
import shutil
import subprocess

from harness import BIN

BEFORE = os.environ.get("PENSTOCK_CHDB_BEFORE", "")  # folders of tools/setup --test
AFTER = os.environ.get("PENSTOCK_CHDB_AFTER", "")
OURS = pathlib.Path(BIN).resolve().parent / "libchdb.so"
SOURCES = pathlib.Path(__file__).resolve().parents[1] / "engines"
PYTHON = "libpython3.11.so.1.0"


def link(source, target):
    """Half a gigabyte, if that is another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def compiled(folder, source, *more):
    out = folder / "libchdb.so"
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", SOURCES / source,
                    "-o", out, *more], check=True)
    return out


def before(directory):
    """The library for an engine's directory."""
    folder = pathlib.Path(directory, "engine-before")
    if not folder.exists():
        folder.mkdir(parents=True)
        link(pathlib.Path(BEFORE, "libchdb.so"), folder / "libchdb-before.so")
        compiled(folder, "before.c", f"-L{folder}", "-l:libchdb-before.so", "-Wl,-rpath,$ORIGIN")
    return folder / "libchdb.so"


def after(directory):
    folder = pathlib.Path(directory, "engine-after")
    if not folder.exists():
        shutil.copytree(AFTER, folder, copy_function=link)
        shutil.copy(SOURCES / "after.py", folder / "libchdb.so.py")
        compiled(folder, "after.c", f'-DPYTHON="{PYTHON}"', f"-l:{PYTHON}")
    return folder / "libchdb.so"
