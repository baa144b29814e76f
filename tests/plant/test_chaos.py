#!/usr/bin/env python3
"""A small plant whose workers are killed, and whose broker and database are restarted: bench/plant.py in short.

    test_chaos.py SOURCE_ROOT
"""
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

SIDE = 64


def png(seed):
    """A grey wedge with some noise."""
    noise = random.Random(seed)
    rows = b"".join(b"\0" + bytes(80 + 2 * x + noise.randrange(8) for x in range(SIDE)) for _ in range(SIDE))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def run(command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return result.returncode == 0, result.stdout


def report(number, name, ok, output):
    print(f"{'ok' if ok else 'not ok'} {number} - {name}")
    for line in output.splitlines():
        print("# " + line)


def main():
    root, velm = sys.argv[1], os.environ["VELM_BIN"]
    if not shutil.which("nats-server", path="/usr/sbin:" + os.environ["PATH"]) or not os.path.isdir("/usr/lib/postgresql"):
        print("1..0 # SKIP there is no nats-server, or no PostgreSQL")
        return
    os.environ["PATH"] += ":/usr/sbin"
    work = tempfile.mkdtemp()
    os.mkdir(work + "/good")
    for i in range(6):
        with open(f"{work}/good/{i}.png", "wb") as file:
            file.write(png(i))
    model = work + "/model.velm"
    report(1, "a model is fitted",
           *run([velm, "fit", work + "/good", "-o", model, "--backbone", "lite2", "--size", "64"]))
    report(2, "each job ends once", *run([sys.executable, root + "/bench/plant.py", velm, model, work + "/good", "chaos",
                                          "--n", "600", "--poison", "10", "--kill-every", "1.5"]))
    print("1..2")
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
