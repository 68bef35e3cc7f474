"""A small real file system for tests of a full disk and of a power loss: ext4 in a file, mounted.
Needs root."""
import fcntl
import os
import pathlib
import subprocess
import struct
import tempfile
import time

EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2  # nothing more reaches the disk, the journal neither


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

    def cut_power(self):
        """From now on nothing is written: what was not synced stays in memory and goes with it.
        What the file system's own tests call a shutdown; false: this kernel does not know it."""
        folder = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        except OSError as error:
            self.missing = f"ext4 cannot be shut down: {error}"
        finally:
            os.close(folder)
        return self.missing is None

    def mount_again(self):
        """The machine is back: the journal is replayed, as after a power loss."""
        deadline = time.monotonic() + 60
        while subprocess.run(["umount", self.path], capture_output=True).returncode != 0:
            assert time.monotonic() < deadline, "somebody still holds a file"
            time.sleep(0.1)
        # A process that has mounts of its own and is about to end holds the same file system, which would be
        # mounted again as it is: without power.
        while subprocess.run(["losetup", "--associated", self.image], capture_output=True, check=True).stdout:
            assert time.monotonic() < deadline, "somebody still has it mounted"
            time.sleep(0.1)
        subprocess.run(["mount", "-o", "loop", self.image, self.path], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.missing is None:
            # Lazily: a test that failed may still hold a file open.
            subprocess.run(["umount", "-l", str(self.path)], check=False)
        self.image.unlink(missing_ok=True)
        self.path.rmdir()
        self.folder.rmdir()
