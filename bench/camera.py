#!/usr/bin/env python3
"""A station with a camera and a PLC, for minutes, and every frame accounted for.

    bench/camera.py VELM MODEL [--minutes 10] [--rate 10] [--unplug 2]

The camera is Aravis' GigE Vision camera that is none (arv-fake-gv-camera-0.8, in Debian's
aravis-tools) in a process of its own on 127.0.0.1. It is killed now and then for some seconds, and
once more at the end. Its own log says which frames it sent; each is to have one record, or to be
counted as lost. The PLC reads by Modbus TCP and acknowledges each verdict; it is to have read each
record once, in order.
"""
import argparse
import atexit
import collections
import fcntl
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

CAMERA = "arv-fake-gv-camera-0.8"
ADDRESS = "127.0.0.1"


class Camera:
    """The camera's processes, one after the other."""

    def __init__(self, folder):
        self.folder = folder
        self.logs = []
        self.process = None

    def plug(self):
        path = os.path.join(self.folder, f"camera{len(self.logs)}.log")
        self.logs.append(path)
        with open(path, "wb") as log:
            self.process = subprocess.Popen([CAMERA, "-i", ADDRESS, "-d", "stream-thread:3"],
                                            stdout=log, stderr=subprocess.STDOUT)

    def unplug(self):
        """Between two frames, so that the log says what was sent."""
        n = len(self.sent(-1))
        end = time.monotonic() + 5
        while len(self.sent(-1)) == n and time.monotonic() < end:
            time.sleep(0.002)
        time.sleep(0.04)
        self.process.kill()
        self.process.wait()

    def end(self):
        if self.process:
            self.process.kill()

    def sent(self, process):
        with open(self.logs[process], encoding="utf-8", errors="replace") as log:
            return [int(n) for n in re.findall(r"Send frame (\d+)", log.read())]


class Plc(threading.Thread):
    """Reads each verdict that stands and acknowledges it."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.records = []
        self.ending = False
        self.failure = None

    def ask(self, connection, function, body):
        connection.sendall(struct.pack(">HHHBB", 1, 0, len(body) + 2, 255, function) + body)
        head = self.receive(connection, 7)
        answer = self.receive(connection, struct.unpack(">H", head[4:6])[0] - 1)
        if answer[0] != function:
            raise ValueError(f"the station answered {answer.hex()}")
        return answer[1:]

    @staticmethod
    def receive(connection, n):
        data = b""
        while len(data) < n:
            part = connection.recv(n - len(data))
            if not part:
                raise EOFError("the station has gone")
            data += part
        return data

    def poll(self, connection):
        answer = self.ask(connection, 4, struct.pack(">HH", 0, 8))
        registers = struct.unpack(">8H", answer[1:])
        if registers[1]:
            self.records.append(registers[6] << 16 | registers[7])
            self.ask(connection, 6, struct.pack(">HH", 0, registers[1]))
        return registers[1]

    def run(self):
        try:
            with socket.create_connection((ADDRESS, self.port), 10) as connection:
                while not self.ending:
                    if not self.poll(connection):
                        time.sleep(0.01)
        except (OSError, EOFError, ValueError) as failure:
            self.failure = failure


class Station:
    def __init__(self, options, folder):
        self.http, self.modbus = free_port(), free_port()
        self.process = subprocess.Popen(
            [options.velm, "serve", "--product", f"part={options.model}", "--data", folder,
             "--listen", f"{ADDRESS}:{self.http}", "--modbus", f"{ADDRESS}:{self.modbus}",
             "--camera", f"part={ADDRESS},rate={options.rate},queue=100000"])

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://{ADDRESS}:{self.http}{path}", timeout=30) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.read().decode()

    def metrics(self):
        lines = [line.rsplit(" ", 1) for line in self.get("/metrics").splitlines()
                 if line[:1] not in ("#", "")]
        return {name: float(value) for name, value in lines}

    def camera_status(self):
        parts = json.loads(self.get("/readyz"))["parts"]
        return next(part for part in parts if part["name"] == f"camera {ADDRESS}")

    def records(self):
        """(number, key) of each, in order."""
        path, found = "/v1/records/export?format=jsonl", []
        for line in self.get(path).splitlines():
            record = json.loads(line)
            found.append((record["id"], record["key"]))
        return sorted(found)


def free_port():
    with socket.socket() as any_port:
        any_port.bind((ADDRESS, 0))
        return any_port.getsockname()[1]


def wait_for(what, condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"waited in vain until {what}")
        time.sleep(0.2)


class Watch(threading.Thread):
    """Notes each change of the camera's status, and the longest queue."""

    def __init__(self, station):
        super().__init__(daemon=True)
        self.station, self.longest, self.last, self.began = station, 0, None, time.monotonic()

    def run(self):
        while True:
            try:
                status = self.station.camera_status()
                queued = int(self.station.metrics().get("velm_store_queued", 0))
            except (OSError, ValueError, StopIteration):
                return
            self.longest = max(self.longest, queued)
            text = status["state"] + (f": {status['reason']}" if "reason" in status else "")
            if text != self.last:
                print(f"{time.monotonic() - self.began:6.1f} s  camera {text}  ({queued} queued)",
                      flush=True)
            self.last = text
            time.sleep(0.5)


def run(options, camera, station):
    plugged_s = options.minutes * 60 / (options.unplug + 1)
    for i in range(options.unplug + 1):
        end = time.monotonic() + plugged_s
        camera.plug()
        wait_for("the camera is taken", lambda: station.camera_status()["state"] != "failed")
        time.sleep(max(end - time.monotonic(), 0))
        camera.unplug()
        wait_for("the station knows", lambda: station.camera_status()["state"] == "failed")
        time.sleep(options.unplugged)


def wrap(number):
    """As the camera counts: to 65535, and then from 1."""
    return (number - 1) % 65535 + 1


def check(camera, records, metrics, plc):
    streams = collections.OrderedDict()
    for _, key in records:
        start, number = key.rsplit(":", 1)
        streams.setdefault(start, []).append(int(number))
    lost = {name.split('reason="')[1].split('"')[0]: int(value) for name, value in metrics.items()
            if name.startswith("velm_camera_frames_lost_total") and value}
    n_sent = sum(len(camera.sent(i)) for i in range(len(camera.logs)))
    n_lost, good = sum(lost.values()), True
    for i, (numbers, log) in enumerate(zip(streams.values(), camera.logs)):
        sent, kept = camera.sent(i), [wrap(n) for n in numbers]
        good &= len(set(numbers)) == len(numbers) and numbers == sorted(numbers)
        good &= set(kept) <= set(sent) and len(set(sent)) == len(sent)
        print(f"connection {i + 1}: {len(sent)} frames sent ({sent[0]} to {sent[-1]} by the camera's "
              f"log), {len(kept)} records, {len(sent) - len(kept)} without")
    good &= len(streams) == len(camera.logs)
    print(f"sent {n_sent} = records {len(records)} + lost {n_lost} {lost or ''}: "
          f"{n_sent == len(records) + n_lost}")
    ids = [number for number, _ in records]
    print(f"the PLC read {len(plc.records)} verdicts, each record once and in order: "
          f"{plc.records == ids}")
    return good and n_sent == len(records) + n_lost and plc.records == ids


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("velm")
    parser.add_argument("model")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=10)
    parser.add_argument("--unplug", type=int, default=2)
    parser.add_argument("--unplugged", type=float, default=5, help="seconds")
    options = parser.parse_args()
    # The protocol has one port; the tests take turns by the same lock.
    lock = open(os.path.join(tempfile.gettempdir(), "velm-test-gige-vision.lock"), "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    with tempfile.TemporaryDirectory() as folder:
        camera, station = Camera(folder), Station(options, os.path.join(folder, "station"))
        atexit.register(station.process.kill)
        atexit.register(camera.end)
        wait_for("the station is there", lambda: is_open(station.http))
        plc, watch = Plc(station.modbus), Watch(station)
        plc.start()
        watch.start()
        run(options, camera, station)
        wait_for("the queue is empty", lambda: station.metrics()["velm_store_queued"] == 0, 3600)
        wait_for("the PLC has read all",
                 lambda: len(plc.records) >= station.metrics()["velm_store_records"])
        time.sleep(2)
        records, metrics = station.records(), station.metrics()
        plc.ending = True
        plc.join()
        print(f"the longest queue: {watch.longest} images")
        good = check(camera, records, metrics, plc)
        station.process.send_signal(signal.SIGTERM)
        start = time.monotonic()
        code = station.process.wait()
        print(f"the station ended with {code} within {time.monotonic() - start:.1f} s")
    sys.exit(0 if good and code == 0 and not plc.failure else 1)


def is_open(port):
    try:
        socket.create_connection((ADDRESS, port), 1).close()
        return True
    except OSError:
        return False


if __name__ == "__main__":
    main()
