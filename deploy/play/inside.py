"""Runs inside a pod with the Python of its image: names what an intruder would like there."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

USER = 10001
COMPILERS = ("cc", "gcc", "g++", "clang", "ld", "as", "make")
WRITTEN = ("/probe", "/app/probe", "/etc/probe", "/usr/bin/probe")


def problems() -> Iterator[str]:
    """What is not as the manifests want it."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    status = {name: value for name, _, value in (line.partition(":\t") for line in lines)}
    if os.getuid() != USER or os.getgid() != USER:
        yield f"runs as {os.getuid()}:{os.getgid()}"
    if int(status["CapEff"], 16) or int(status["CapBnd"], 16):
        yield f"has capabilities {status['CapEff']}"
    if status["NoNewPrivs"] != "1":
        yield "may get new privileges"
    if status["Seccomp"] != "2":
        yield "has no filter of system calls"
    for path in WRITTEN:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
            yield f"{path} can be written"
        except OSError:
            continue
    yield from (f"has {name}" for name in COMPILERS if shutil.which(name))


if __name__ == "__main__":
    sys.stdout.write("\n".join(problems()))
