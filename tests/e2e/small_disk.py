"""A small real file system for tests of a full disk: ext4 in a file, mounted. Needs root."""
import os
import pathlib
import subprocess
import tempfile


class SmallDisk:
    """`path` is its root; `None` where this machine does not let us mount (see `missing`)."""

    def __init__(self, mib):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="penstock-disk-"))
        self.path, self.image = self.folder / "root", self.folder / "image"
        self.path.mkdir()
        self.missing = None
        for words in (["truncate", "-s", f"{mib}M", self.image],
                      ["mkfs.ext4", "-q", "-F", "-m", "0", self.image],
                      ["mount", "-o", "loop", self.image, self.path]):
            done = subprocess.run(list(map(str, words)), capture_output=True, text=True)
            if done.returncode != 0:
                self.missing = f"{words[0]}: {done.stderr.strip()}"
                return

    def free_mib(self):
        fs = os.statvfs(self.path)
        return fs.f_bavail * fs.f_frsize >> 20

    def fill(self):
        """A stranger takes all there is, at once: who comes slowly also takes what is given up."""
        fs = os.statvfs(self.path)
        with open(self.path / "stranger", "wb", buffering=0) as out:
            try:
                os.posix_fallocate(out.fileno(), 0, fs.f_bavail * fs.f_frsize)
                out.seek(0, os.SEEK_END)
            except OSError:
                pass
            try:
                while out.write(bytes(1 << 20)) == 1 << 20:
                    pass
            except OSError:
                pass

    def empty(self):
        (self.path / "stranger").unlink()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.missing is None:
            # Lazily: a test that failed may still hold a file open.
            subprocess.run(["umount", "-l", str(self.path)], check=False)
        self.image.unlink(missing_ok=True)
        self.path.rmdir()
        self.folder.rmdir()
