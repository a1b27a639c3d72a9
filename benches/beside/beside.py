"""What an ordinary client feels of slow and greedy ones beside it.

An app and the gateway run on loopback. An ordinary client asks for a small page over and over, alone and beside clients
that send heads, send bodies or take answers a little at a time, and beside HTTP/2 connections whose streams get no
window. Told are the median and the 99th percentile of both, their ratios from the same minute, whether every slow
connection was closed by its deadline, and the most memory that the gateway took. Exit status 1 when one was left open,
or an ordinary request failed.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SMALL = b"<!DOCTYPE html><title>Ticket</title>" + b"x" * 4000
LARGE = b"x" * 20_000_000

POLICY = """policy: 1
listen:
  - http: 127.0.0.1:{port}
    http2: true
  - admin: 127.0.0.1:{admin}
app: {{ profile: tinydesk, upstream: "http://127.0.0.1:{app}", public_url: "http://127.0.0.1:{port}" }}
state: {{ directory: {state} }}
audit: {{ write_to: file {state}/decisions.log }}
roles: {{ everybody: {{}} }}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve(listener):
    """The app: /static/large is large, everything else is small; bodies are read to their end."""
    def answer(connection):
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reader = connection.makefile("rb")
            while line := reader.readline():
                length = 0
                while (field := reader.readline()) not in (b"\r\n", b""):
                    name, _, value = field.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                reader.read(length)
                body = LARGE if b"/static/large" in line else SMALL
                head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(body)
                connection.sendall(head)
                connection.sendall(body)
        except OSError:
            pass  # whoever asked is gone
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


class Ordinary(threading.Thread):
    """Asks for a small page over and over on one connection, until it is told to stop."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.stop, self.took, self.failed = port, threading.Event(), [], 0

    def run(self):
        request = f"GET /static/small HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n\r\n".encode()
        connection = None
        while not self.stop.is_set():
            begun = time.perf_counter()
            try:
                if connection is None:
                    connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
                    reader = connection.makefile("rb")
                connection.sendall(request)
                status, length = reader.readline(), 0
                while (field := reader.readline()) not in (b"\r\n", b""):
                    if field.lower().startswith(b"content-length:"):
                        length = int(field.split(b":")[1])
                if b" 200 " not in status or len(reader.read(length)) != length:
                    raise OSError(status)
            except OSError:
                self.failed += 1
                connection = None
                continue
            self.took.append(time.perf_counter() - begun)
            time.sleep(0.002)


def measured(port, seconds, clients=4):
    """Milliseconds of the median and the 99th percentile, and how many requests failed."""
    ordinary = [Ordinary(port) for _ in range(clients)]
    for client in ordinary:
        client.start()
    time.sleep(seconds)
    for client in ordinary:
        client.stop.set()
    for client in ordinary:
        client.join()
    took = [t * 1000 for client in ordinary for t in client.took]
    return {
        "requests": len(took),
        "p50": statistics.median(took),
        "p99": statistics.quantiles(took, n=100)[98],
        "failed": sum(client.failed for client in ordinary),
    }


class Slow(threading.Thread):
    """One slow client: `drip` is what it sends every half second, `takes` whether it takes the answer a little at a
    time. `closed_after` is when the gateway closed its connection."""

    def __init__(self, port, source, begin, drip=None, takes=False):
        super().__init__(daemon=True)
        self.begin, self.drip, self.takes, self.closed_after = begin, drip, takes, None
        self.socket = socket.socket()
        # What the kernel takes for a client waits for nobody.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.bind((source, 0))
        self.socket.connect(("127.0.0.1", port))

    def run(self):
        begun = time.monotonic()
        try:
            self.socket.sendall(self.begin)
            while True:
                if self.drip:
                    self.socket.sendall(self.drip)
                self.socket.settimeout(0.5)
                try:
                    if not self.socket.recv(200 if self.takes else 65536):
                        break
                except TimeoutError:
                    continue
                time.sleep(0.5)
        except OSError:
            pass
        self.closed_after = time.monotonic() - begun


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def without_windows(host, streams):
    """An HTTP/2 client (RFC 9113) that gives its streams no window: settings, and a request on each."""
    def field(name, value):
        return bytes([0, len(name)]) + name + bytes([len(value)]) + value
    block = b"".join(field(*pair) for pair in [
        (b":method", b"GET"), (b":scheme", b"http"), (b":authority", host), (b":path", b"/static/large")])
    sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, struct.pack(">HI", 4, 0))
    return sent + b"".join(frame(1, 5, 2 * n + 1, block) for n in range(streams))


def slow_clients(port, count, deadline, told):
    """`count` of each kind, from addresses of loopback that each hold fewer connections than one may. Runs in a process
    of its own, and tells for each kind after how many seconds each was closed, `None` for one that is not by then."""
    begun = time.monotonic()
    host = f"127.0.0.1:{port}"
    head = f"Host: {host}\r\n"
    kinds = {
        "heads": (f"GET / HTTP/1.1\r\n{head}".encode(), b"X-a: b\r\n", False),
        "bodies": (f"PUT /portal/x HTTP/1.1\r\n{head}Content-Length: 1000000\r\n\r\n".encode(), b"x", False),
        "answers": (f"GET /static/large HTTP/1.1\r\n{head}\r\n".encode(), None, True),
        "streams": (without_windows(host.encode(), 100), None, False),
    }
    clients = {}
    for place, (kind, (begin, drip, takes)) in enumerate(kinds.items()):
        many = count if kind != "streams" else max(1, count // 10)
        clients[kind] = [
            Slow(port, f"127.0.{place + 1}.{n // 150 + 1}", begin, drip, takes) for n in range(many)]
        for client in clients[kind]:
            client.start()
    every = [client for kind in clients.values() for client in kind]
    while any(client.closed_after is None for client in every) and time.monotonic() - begun < deadline:
        time.sleep(0.5)
    told.put({kind: [client.closed_after for client in of_kind] for kind, of_kind in clients.items()})


def resident(process):
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]) * 1024


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Examples:\n  benches/beside/run\n  benches/beside/run --slow 1000 --json beside.json")
    parser.add_argument("--deskgate", help="the program; default the release build, which is made")
    parser.add_argument("--slow", type=int, default=200, help="slow clients of each kind (default 200)")
    parser.add_argument("--seconds", type=int, default=20, help="how long each measurement takes (default 20)")
    parser.add_argument("--deadline", type=int, default=180, help="seconds by which all slow ones must be closed")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    program = options.deskgate
    if program is None:
        subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
        program = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/deskgate"
    with tempfile.TemporaryDirectory() as directory:
        listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        app = multiprocessing.Process(target=serve, args=(listener,), daemon=True)
        app.start()
        port = free_port()
        policy = pathlib.Path(directory) / "policy.yaml"
        policy.write_text(POLICY.format(
            port=port, admin=free_port(), app=listener.getsockname()[1], state=directory))
        gateway = subprocess.Popen([program, "run", "--config", policy], stderr=subprocess.DEVNULL)
        try:
            return measure(gateway, port, options)
        finally:
            gateway.send_signal(signal.SIGTERM)
            gateway.wait()
            app.terminate()


def measure(gateway, port, options):
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    alone = measured(port, options.seconds)
    idle = resident(gateway.pid)
    told = multiprocessing.Queue()
    slow = multiprocessing.Process(
        target=slow_clients, args=(port, options.slow, options.deadline, told), daemon=True)
    slow.start()
    beside = measured(port, options.seconds)
    most = resident(gateway.pid)
    while told.empty():
        time.sleep(0.5)
        most = max(most, resident(gateway.pid))
    clients = told.get()
    figures = {"alone": alone, "beside": beside, "memory": most - idle, "closed": {}}
    print(f"{'':8} {'p50 ms':>8} {'p99 ms':>8} {'requests':>9} {'failed':>7}")
    for name in ("alone", "beside"):
        f = figures[name]
        print(f"{name:8} {f['p50']:8.2f} {f['p99']:8.2f} {f['requests']:9} {f['failed']:7}")
    print(f"{'ratio':8} {beside['p50'] / alone['p50']:8.2f} {beside['p99'] / alone['p99']:8.2f}")
    left = 0
    for kind, all_of_kind in clients.items():
        closed = [after for after in all_of_kind if after is not None]
        left += len(all_of_kind) - len(closed)
        last = f"the last after {max(closed):.0f} s" if closed else "none"
        figures["closed"][kind] = {"of": len(all_of_kind), "closed": len(closed), "last": max(closed, default=None)}
        print(f"{kind}: {len(closed)} of {len(all_of_kind)} closed, {last}")
    print(f"memory: {(most - idle) / 1e6:.0f} MB more than idle, at most")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures, indent=1) + "\n")
    return 1 if left or alone["failed"] or beside["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
