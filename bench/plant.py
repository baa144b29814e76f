#!/usr/bin/env python3
"""A plant on this machine, measured and mistreated: nats-server, PostgreSQL and workers of its own.

    bench/plant.py VELM MODEL IMAGES throughput [--n 2000] [--rounds 3]
    bench/plant.py VELM MODEL IMAGES chaos [--n 5000] [--poison 50] [--kill-every 3]
    bench/plant.py VELM MODEL IMAGES cut [--n 1000] [--seconds 10]       (as root: network namespaces)
    bench/plant.py VELM MODEL IMAGES memory [--n 20000]
    bench/plant.py VELM MODEL IMAGES queue [--n 1000000]

IMAGES is a folder of images of the model's product, JPEG or PNG. Jobs are copies of them, each made
different by a comment in the file, so that nothing is known from before.

throughput  N images through the queue and two workers, against one velm inspect over their folder,
            in turns. What is compared is the rate from the first record to the last.
chaos       workers killed by SIGKILL every few seconds, broker and database each restarted once in
            between, poison among the jobs: each good job is to have one record, each poison job one
            dead letter with a reason.
cut         the network between a worker and the broker is cut: it is to recover by itself.
memory      a worker's memory over N jobs.
queue       N small jobs (images of 32 x 32 pixels) before any worker: rates, and the broker's memory.
"""
import argparse
import atexit
import base64
import json
import os
import random
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

PRODUCT = "bench"
POSTGRES = sorted(p for p in ("/usr/lib/postgresql/%d/bin" % v for v in range(13, 20)) if os.path.isdir(p))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, seconds, condition, step=0.05):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(step)
    sys.exit(f"plant.py: {what}: not within {seconds} s")


def rss_mib(pid):
    try:
        with open(f"/proc/{pid}/status") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) / 1024
    except (OSError, AttributeError):
        return float("nan")


class Nats:
    """As much of the protocol as is needed to look at streams and to send what velm would not."""

    def __init__(self, port, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout=10)
        self.file = self.socket.makefile("rb")
        self.file.readline()  # INFO
        self.socket.sendall(b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n')
        self.inbox = "_INBOX.plant%d" % random.getrandbits(60)
        self.socket.sendall(f"SUB {self.inbox} 1\r\n".encode())

    def request(self, subject, payload=b"", headers=None):
        if headers:
            head = "NATS/1.0\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"
            head = head.encode()
            line = f"HPUB {subject} {self.inbox} {len(head)} {len(head) + len(payload)}\r\n"
            self.socket.sendall(line.encode() + head + payload + b"\r\n")
        else:
            self.socket.sendall(f"PUB {subject} {self.inbox} {len(payload)}\r\n".encode() + payload + b"\r\n")
        while True:
            words = self.file.readline().split()
            if not words:
                raise OSError("the broker is away")
            if words[0] == b"PING":
                self.socket.sendall(b"PONG\r\n")
            elif words[0] in (b"MSG", b"HMSG"):
                body = self.file.read(int(words[-1]) + 2)[:-2]
                if words[0] == b"HMSG":
                    self.headers, body = body[: int(words[-2])].decode(), body[int(words[-2]):]
                return body

    def api(self, name, payload=None):
        return json.loads(self.request("$JS.API." + name, json.dumps(payload).encode() if payload else b""))

    def waiting(self, stream="VELM_DETECT"):
        return self.api("STREAM.INFO." + stream).get("state", {}).get("messages")

    def dead_letters(self):
        state = self.api("STREAM.INFO.VELM_DEAD")["state"]
        letters = []
        for seq in range(state["first_seq"], state["last_seq"] + 1) if state["messages"] else []:
            message = self.api("STREAM.MSG.GET.VELM_DEAD", {"seq": seq})["message"]
            letters.append(dict(re.findall(r"(Velm-\w+): ?(.*?)\r\n", base64.b64decode(message["hdrs"]).decode())))
        return letters


class Broker:
    def __init__(self, folder, address="127.0.0.1"):
        self.folder, self.address, self.port = os.path.join(folder, "nats"), address, free_port()
        self.start()

    def start(self):
        with open(self.folder + ".log", "ab") as log:
            self.process = subprocess.Popen(
                ["nats-server", "-a", self.address, "-p", str(self.port), "-js", "-sd", self.folder],
                stdout=log, stderr=log)
        wait_for("the broker", 20, self.answers)

    def answers(self):
        try:
            return Nats(self.port, self.address).api("INFO")
        except (OSError, ValueError):
            return None

    def nats(self):
        return Nats(self.port, self.address)

    def restart(self, seconds=1):
        self.process.kill()
        self.process.wait()
        time.sleep(seconds)
        self.start()

    @property
    def url(self):
        return f"nats://{self.address}:{self.port}"

    def end(self):
        self.process.kill()
        self.process.wait()


class Postgres:
    """A cluster of its own, reached by its socket."""

    def __init__(self, folder):
        self.bin = POSTGRES[-1]
        self.folder, self.port = os.path.join(folder, "postgres"), free_port()
        os.mkdir(self.folder)
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres")
        self.run("initdb", "-D", self.folder + "/data", "-U", "velm", "-A", "trust", "--no-sync")
        with open(self.folder + "/data/postgresql.conf", "a") as f:
            f.write(f"listen_addresses = '127.0.0.1'\nport = {self.port}\n"
                    f"unix_socket_directories = '{self.folder}'\n")
        self.start()
        self.run("createdb", "-h", self.folder, "-p", str(self.port), "-U", "velm", "velm")

    def run(self, tool, *arguments):
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        result = subprocess.run(user + [os.path.join(self.bin, tool), *arguments], cwd=self.folder,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if result.returncode:
            sys.exit(f"plant.py: {tool}: {result.stdout}")
        return result.stdout

    def start(self):
        self.run("pg_ctl", "-D", self.folder + "/data", "-l", self.folder + "/log", "-w", "start")

    def restart(self, seconds=1):
        self.run("pg_ctl", "-D", self.folder + "/data", "-m", "immediate", "-w", "stop")
        time.sleep(seconds)
        self.start()

    @property
    def url(self):
        return f"postgresql://velm@127.0.0.1:{self.port}/velm"

    @property
    def socket_url(self):
        return f"postgresql://velm@/velm?host={self.folder}&port={self.port}"

    def ask(self, sql):
        return self.run("psql", "-h", self.folder, "-p", str(self.port), "-U", "velm", "-Atc", sql, "velm").split()

    def end(self):
        self.run("pg_ctl", "-D", self.folder + "/data", "-m", "immediate", "stop")


class Worker:
    def __init__(self, plant, name, database=None, prefix=(), url=None):
        self.plant, self.name, self.prefix = plant, name, list(prefix)
        self.database, self.url = database or plant.postgres.url, url or plant.broker.url
        self.log = os.path.join(plant.folder, name + ".log")
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.prefix + [self.plant.velm, "worker", "--nats", self.url, "--product",
                               f"{PRODUCT}={self.plant.model}", "--data", self.plant.data, "--database",
                               self.database, "--name", self.name],
                stdout=log, stderr=log)

    def is_ready(self):
        with open(self.log) as f:
            return "is ready" in f.read()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            print(f"{self.name} did not stop in 30 s")
            self.kill()


class Plant:
    def __init__(self, options):
        self.folder = tempfile.mkdtemp(prefix="velm-plant-", dir=options.folder)
        os.chmod(self.folder, 0o755)
        atexit.register(shutil.rmtree, self.folder, True)
        self.velm, self.model = os.path.abspath(options.velm), os.path.abspath(options.model)
        self.data = os.path.join(self.folder, "data")
        self.sources = sorted(os.path.join(d, f) for d, _, files in os.walk(options.images) for f in files
                              if f.lower().endswith((".jpg", ".jpeg", ".png")))
        if not self.sources:
            sys.exit(f"plant.py: {options.images}: no JPEG or PNG images")
        self.broker = Broker(self.folder, options.address)
        atexit.register(self.broker.end)
        self.postgres = Postgres(self.folder)
        atexit.register(self.postgres.end)
        self.workers = []

    def add_workers(self, n, **how):
        for i in range(n):
            worker = Worker(self, f"worker{len(self.workers)}", **how)
            self.workers.append(worker)
            atexit.register(worker.kill)
        wait_for("the workers", 120, lambda: all(w.is_ready() for w in self.workers))

    def end_workers(self):
        for worker in self.workers:
            worker.end()

    def images(self, name, n):
        """A folder of n images, each another file."""
        folder = os.path.join(self.folder, name)
        os.mkdir(folder)
        originals = [open(p, "rb").read() for p in self.sources]
        for i in range(n):
            source = self.sources[i % len(originals)]
            with open(os.path.join(folder, "%06d%s" % (i, os.path.splitext(source)[1].lower())), "wb") as f:
                f.write(vary(originals[i % len(originals)], f"{name} {i}"))
        return folder

    def submit(self, *paths):
        return json.loads(subprocess.run(
            [self.velm, "submit", "--nats", self.broker.url, "--product", PRODUCT, "--json", *paths],
            stdout=subprocess.PIPE, check=True).stdout)

    def wait_until_done(self, seconds):
        nats = [None]

        def look():
            try:
                nats[0] = nats[0] or self.broker.nats()
                return nats[0].waiting() == 0
            except (OSError, ValueError, KeyError):
                nats[0] = None
                return False

        wait_for("the jobs", seconds, look)

    def records(self):
        """Good records, their keys, and failed ones."""
        good = self.postgres.ask("SELECT count(*) || ' ' || count(DISTINCT key) FROM records"
                                 " WHERE decision <> 'failed'")
        failed = self.postgres.ask("SELECT count(*) FROM records WHERE decision = 'failed'")
        return int(good[0]), int(good[1]), int(failed[0])


def vary(image, text):
    """The image with a comment in it, which its pixels do not change by."""
    comment = text.encode()
    if image[:2] == b"\xff\xd8":
        return image[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + image[2:]
    chunk = b"tEXt" + b"Comment\0" + comment
    return image[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + image[33:]


# ---- throughput ----


def inspect_rate(plant, folder, n):
    """Images a second of one process, from its first record to its last."""
    process = subprocess.Popen([plant.velm, "inspect", "-m", plant.model, "--json", folder],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    lines, start = 0, None
    for _ in process.stdout:
        lines += 1
        start = start or time.monotonic()
    process.wait()
    return (lines - 1) / (time.monotonic() - start)


def cpu_seconds(plant):
    """Of the broker, the database with its servers, and the workers, so far."""
    ticks = os.sysconf("SC_CLK_TCK")
    sums = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                text = f.read()
        except OSError:
            continue
        name, fields = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
        if name in ("velm", "nats-server", "postgres"):
            sums[name] = sums.get(name, 0) + (int(fields[11]) + int(fields[12])) / ticks
    return sums


def plant_rate(plant, folder, n):
    before = plant.records()[0]
    used = cpu_seconds(plant)
    start = time.monotonic()
    submitting = threading.Thread(target=plant.submit, args=(folder,), daemon=True)
    submitting.start()
    time.sleep(0.5)
    submitting.join()
    plant.wait_until_done(3600)
    rate = n / (time.monotonic() - start)
    print("  milliseconds of processors an image: " + ", ".join(
        f"{name} {1000 * (seconds - used.get(name, 0)) / n:.2f}" for name, seconds in sorted(cpu_seconds(plant).items())))
    good = plant.records()[0] - before
    if good != n:
        sys.exit(f"plant.py: {good} records of {n}")
    return rate


def throughput(plant, options):
    n = options.n or 2000
    plant.add_workers(2)
    plant.submit(plant.images("warm", 20))
    plant.wait_until_done(120)
    ratios = []
    for i in range(options.rounds):
        folder = plant.images(f"round{i}", n)
        a, b = inspect_rate(plant, folder, n), plant_rate(plant, folder, n)
        ratios.append(b / a)
        print(f"round {i}: inspect {a:.1f} images/s, plant {b:.1f}: {b / a:.2f}", flush=True)
        shutil.rmtree(folder)
    print(f"median ratio {statistics.median(ratios):.2f}")
    records = sum(plant.records()[0::2])
    tables = int(plant.postgres.ask("SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n"
                                    " ON n.oid = relnamespace WHERE nspname = 'public' AND relkind IN ('r', 'm')")[0])
    stored = sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(plant.data + "/images") for f in files)
    print(f"a record: {tables / records:.0f} bytes in the database, {stored / records:.0f} of its image")
    for worker in plant.workers:
        print(f"{worker.name}: {rss_mib(worker.process.pid):.0f} MiB")


# ---- chaos ----


def poison_jobs(plant, n):
    """Messages that nothing can come of, of five kinds."""
    image = open(plant.sources[0], "rb").read()
    kinds = [({}, b"what is this"),
             ({"Velm-Key": "k\u00e9y %d", "Velm-Name": "bad key"}, image),
             ({"Velm-Key": "poison-empty-%d", "Velm-Name": "nothing"}, b""),
             ({"Velm-Key": "poison-broken-%d", "Velm-Name": "broken.jpg"}, image[: len(image) // 8]),
             ({"Velm-Key": "poison-away-%d", "Velm-Name": "away.png", "Velm-Image": "file:../../etc/passwd"}, b"")]
    for i in range(n):
        headers, body = kinds[i % len(kinds)]
        headers = {k: v.replace("%d", str(i)) for k, v in headers.items()}
        yield headers, body + (b" %d" % i if not headers else b"")


def send_poison(plant, jobs):
    for headers, body in jobs:
        answer = json.loads(plant.broker.nats().request(f"velm.detect.{PRODUCT}", body, headers))
        if "seq" not in answer:
            sys.exit(f"plant.py: poison was refused: {answer}")


def chaos(plant, options):
    n, n_poison = options.n or 5000, options.poison
    random.seed(options.seed)
    plant.add_workers(2)
    first, second = plant.images("first", n // 2), plant.images("second", n - n // 2)
    poison = list(poison_jobs(plant, n_poison))
    kills, stop = [0], threading.Event()

    def kill_some():
        while not stop.wait(random.uniform(0.5, 1.5) * options.kill_every):
            worker = random.choice(plant.workers)
            worker.kill()
            kills[0] += 1
            for worker in plant.workers:
                if worker.process.poll() is not None:  # killed, or there was no database to open
                    worker.start()

    start = time.monotonic()
    plant.submit(first)
    send_poison(plant, poison[: n_poison // 2])
    killer = threading.Thread(target=kill_some, daemon=True)
    killer.start()
    left = lambda: plant.broker.nats().waiting()
    wait_for("progress", 3600, lambda: left() < 0.8 * n / 2)
    print(f"{time.monotonic() - start:.0f} s: broker killed and started again", flush=True)
    plant.broker.restart()
    plant.submit(second)
    send_poison(plant, poison[n_poison // 2:])
    wait_for("progress", 3600, lambda: left() < 0.6 * n)
    print(f"{time.monotonic() - start:.0f} s: database stopped at once and started again", flush=True)
    plant.postgres.restart()
    plant.wait_until_done(3600)
    stop.set()
    killer.join()
    seconds = time.monotonic() - start
    plant.end_workers()
    good, keys, failed = plant.records()
    letters = plant.broker.nats().dead_letters()
    print(f"{n} jobs and {n_poison} of poison in {seconds:.0f} s, {kills[0]} workers killed")
    print(f"records {good}, keys {keys}, failed {failed}; dead letters {len(letters)}")
    reasons = {}
    for letter in letters:
        reason = re.sub(r"\d+", "N", letter.get("Velm-Reason", "NONE"))
        reasons[reason] = reasons.get(reason, 0) + 1
    for reason, count in sorted(reasons.items()):
        print(f"  {count:4} {reason}")
    names = [l.get("Velm-Name", "") for l in letters]
    stray = [m for m in names if re.match(r".*/(first|second)/", m)]
    ok = good == keys == n and len(letters) == n_poison and not stray and "NONE" not in reasons
    print("all as it is to be" if ok else f"NOT as it is to be (strays: {stray[:5]})")
    return 0 if ok else 1


# ---- the network cut ----


def cut(plant, options):
    n = options.n or 1000
    prefix = ["ip", "netns", "exec", options.netns]
    plant.add_workers(1, prefix=prefix, database=plant.postgres.socket_url)
    folder = plant.images("cut", n)
    plant.submit(folder)
    wait_for("progress", 600, lambda: plant.broker.nats().waiting() < 0.8 * n)
    subprocess.run(["ip", "link", "set", options.link, "down"], check=True)
    at = plant.records()[0]
    cut_at = time.monotonic()
    time.sleep(options.seconds)
    during = plant.records()[0]
    subprocess.run(["ip", "link", "set", options.link, "up"], check=True)
    restored = time.monotonic()
    wait_for("a record after the cut", 120, lambda: plant.records()[0] > during)
    print(f"cut for {restored - cut_at:.1f} s after {at} records ({during - at} more were under way);"
          f" the next came {time.monotonic() - restored:.1f} s after the network was back", flush=True)
    plant.wait_until_done(600)
    plant.end_workers()
    good, keys, failed = plant.records()
    letters = plant.broker.nats().dead_letters()
    print(f"{n} jobs: records {good}, keys {keys}, failed {failed}; dead letters {len(letters)}")
    return 0 if good == keys == n and not letters else 1


def make_network(options):
    """A namespace with a link to this one; the broker listens at this end of it."""
    options.netns, options.link = f"velm{os.getpid()}", f"velm{os.getpid() % 10000}a"
    peer, subnet = options.link[:-1] + "b", random.randrange(16, 240)
    options.address = f"10.213.{subnet}.1"

    def ip(*words):
        subprocess.run(["ip", *words], check=True)

    ip("netns", "add", options.netns)
    atexit.register(subprocess.run, ["ip", "netns", "del", options.netns])
    ip("link", "add", options.link, "type", "veth", "peer", "name", peer)
    ip("link", "set", peer, "netns", options.netns)
    ip("addr", "add", options.address + "/24", "dev", options.link)
    ip("link", "set", options.link, "up")
    for words in (("addr", "add", f"10.213.{subnet}.2/24", "dev", peer), ("link", "set", peer, "up"),
                  ("link", "set", "lo", "up")):
        ip("netns", "exec", options.netns, "ip", *words)


# ---- memory ----


def memory(plant, options):
    n = options.n or 20000
    batch = min(1000, n)
    plant.add_workers(1)
    worker = plant.workers[0]
    readings = []
    for i in range(0, n, batch):
        folder = plant.images(f"batch{i}", batch)
        plant.submit(folder)
        plant.wait_until_done(3600)
        shutil.rmtree(folder)
        readings.append(rss_mib(worker.process.pid))
        print(f"{i + batch} jobs: worker {readings[-1]:.0f} MiB, broker {rss_mib(plant.broker.process.pid):.0f} MiB",
              flush=True)
    half = readings[len(readings) // 2:]
    slope, _ = statistics.linear_regression(range(len(half)), half) if len(half) > 1 else (0, 0)
    print(f"the second half: {min(half):.0f} to {max(half):.0f} MiB, {slope * 1000 / batch:+.2f} MiB a 1,000 jobs")


# ---- a long queue ----


def small_images(plant, n):
    """n images of 32 x 32 pixels below one folder; those of a folder differ by a comment."""
    rows = b"".join(b"\0" + bytes(random.randrange(96, 160) for _ in range(32)) for _ in range(32))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    png = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 32, 8, 0, 0, 0, 0)) +
           chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    folder = os.path.join(plant.folder, "small")
    for i in range(n):
        if i % 1000 == 0:
            os.makedirs(os.path.join(folder, "%06d" % (i // 1000)))
        with open(os.path.join(folder, "%06d" % (i // 1000), "%03d.png" % (i % 1000)), "wb") as f:
            f.write(vary(png, str(i)))
    return folder, len(vary(png, "0"))


def queue(plant, options):
    n = options.n or 1000000
    folder, size = small_images(plant, n)
    most, stop = [0.0], threading.Event()

    def watch():
        while not stop.wait(0.25):
            most[0] = max(most[0], rss_mib(plant.broker.process.pid))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    start = time.monotonic()
    paths = subprocess.Popen(["find", folder, "-name", "*.png"], stdout=subprocess.PIPE)
    subprocess.run([plant.velm, "submit", "--nats", plant.broker.url, "--product", PRODUCT, "--stdin"],
                   stdin=paths.stdout, check=True)
    seconds = time.monotonic() - start
    info = plant.broker.nats().api("STREAM.INFO.VELM_DETECT")["state"]
    print(f"{n} jobs of {size} bytes handed in in {seconds:.0f} s: {n / seconds:.0f} jobs/s; depth {info['messages']},"
          f" {info['bytes'] / 1e6:.0f} MB on the disk; broker at most {most[0]:.0f} MiB", flush=True)
    plant.add_workers(2)
    before, start = plant.records()[0] + plant.records()[2], time.monotonic()
    time.sleep(options.seconds)
    done = sum(plant.records()[0::2]) - before
    print(f"two workers with {plant.broker.nats().waiting()} waiting: {done / (time.monotonic() - start):.0f} jobs/s;"
          f" broker at most {most[0]:.0f} MiB, now {rss_mib(plant.broker.process.pid):.0f}")
    stop.set()
    watcher.join()
    plant.end_workers()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("velm")
    parser.add_argument("model")
    parser.add_argument("images")
    parser.add_argument("what", choices=["throughput", "chaos", "cut", "memory", "queue"])
    parser.add_argument("--n", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--poison", type=int, default=50)
    parser.add_argument("--kill-every", type=float, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", help="where the plant's data is put for the while (default: /tmp)")
    options = parser.parse_args()
    options.address = "127.0.0.1"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if not POSTGRES or not shutil.which("nats-server"):
        sys.exit("plant.py: it needs Debian's packages nats-server and postgresql")
    if options.what == "cut":
        make_network(options)
    plant = Plant(options)
    sys.exit({"throughput": throughput, "chaos": chaos, "cut": cut, "memory": memory,
              "queue": queue}[options.what](plant, options))


if __name__ == "__main__":
    main()
