"""Counts the instructions that requests take, through the real program, with callgrind.

    benches/instructions/run                  counts and compares with baseline.json; ends with 1 when a count is more
                                              than 3 % above it
    benches/instructions/run --write          counts and writes baseline.json
    benches/instructions/run --json           prints the counts for a script
    DESKGATE=path benches/instructions/run    with a program that is built already: shown and not judged, since nobody
                                              can tell how it was built

Unlike times, counts do not depend on what else the machine does. They do depend on the compiler and on what the
processor can do: where these are not the baseline's, the counts are printed and not judged.
"""
import argparse
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "peers"))
import corpus  # noqa: E402
import policy  # noqa: E402

BASELINE = HERE / "baseline.json"
MOST = 1.03
WARM, COUNTED = 100, 400
COOKIE = {"Cookie": "tinydesk=0123456789abcdef0123456789abcdef", "User-Agent": "count"}


class Scenario(NamedTuple):
    """What is asked, the status that is expected, what the app answers, and where values are looked for."""
    path: str
    body: object
    type: str = "application/json"
    status: int = 200
    find: str = "named_places"


def export():
    """A CSV export as long as the list of customers."""
    return corpus.export(len(corpus.mid()))


SCENARIOS = {
    "small": Scenario("/agent/tickets/7", corpus.small),
    "mid, masked by name": Scenario("/api/customers", corpus.mid),
    "mid, every text searched": Scenario("/api/customers", corpus.mid, find="everywhere"),
    "CSV, masked by name": Scenario("/agent/customers/export.csv", export, "text/csv"),
    "page, every text searched": Scenario("/agent/customers/3", corpus.page, "text/html", find="everywhere"),
    "refused": Scenario("/agent//tickets/7", corpus.small, status=400),
}

# A refusal's connection ends or does not by what comes first, which is worth some per cent: it is shown only.
JUDGED = tuple(name for name in SCENARIOS if name != "refused")

# The stages of a request, by the functions that they are in; each with all that it calls. A stage that the compiler
# put into another is not found, and left out.
STAGES = {
    "head, read and checked": r"deskgate::proxy::doorway::whole_head",
    "judged: identity, match, gather, decide": r"Gateway as .*ProxyHttp>::request_filter::\{\{closure",
    "  identity: whose session": r"deskgate::identity::presented",
    "  match: what the path means": r"deskgate::route::tree::Matcher::find",
    "  match: settled": r"deskgate::route::settle::Candidates::settle",
    "  gather and identify": r"Gateway>::identify::\{\{closure",
    "  decide: the controls": r"Gateway>::decide::\{\{closure",
    "the app's head": r"Gateway as .*ProxyHttp>::upstream_request_filter::\{\{closure",
    "the answer's head": r"Gateway as .*ProxyHttp>::response_filter::\{\{closure",
    "the answer's body": r"Gateway as .*ProxyHttp>::response_body_filter",
    "record": r"Gateway as .*ProxyHttp>::logging::\{\{closure",
}


class App:
    """An app that answers every request with one write, so that every run reads the same pieces."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.answers = {one.path: answer(one.body(), one.type) for one in SCENARIOS.values()}
        self.answers["/me"] = answer(b'{"user":"amir","groups":["agents"]}')
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rb") as requests:
            while line := requests.readline():
                while requests.readline() not in (b"\r\n", b""):
                    pass
                path = line.split()[1].decode()
                connection.sendall(self.answers.get(path, answer(b"null", status="404 Not Found")))


def answer(body, content_type="application/json", status="200 OK"):
    return f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def environment():
    """What counts depend on besides the program."""
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    features = set(flags.group(1).split() if flags else [])
    program = "given by DESKGATE" if os.environ.get("DESKGATE") else "cargo build --release"
    return {"rustc": rustc, "machine": os.uname().machine, "avx2": "avx2" in features, "program": program}


class Counted:
    """Deskgate under callgrind, which counts only while it is told to."""

    def __init__(self, program, work, app, find):
        self.port, self.work = free_port(), Path(work)
        text = policy.policy(port=self.port, admin=free_port(), origin=app.port, work=self.work, find=find)
        (self.work / "policy.yaml").write_text(text)
        policy.records(self.work).parent.mkdir()
        self.out = self.work / "callgrind.out"
        # Copying with `rep movsb` counts each byte; other ways of copying count as they cost.
        env = dict(os.environ, GLIBC_TUNABLES="glibc.cpu.hwcaps=-ERMS,-FSRM")
        command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={self.out}",
                   program, "run", "--config", str(self.work / "policy.yaml"), "--threads", "1"]
        self.log = open(self.work / "log", "wb")
        self.process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def wait(self, seconds=300):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.2)
        sys.exit(f"deskgate did not start:\n{(self.work / 'log').read_text(errors='replace')[-2000:]}")

    def tell(self, *words):
        subprocess.run(["callgrind_control", *words, str(self.process.pid)], capture_output=True, check=True)

    def count(self, path, status):
        """Instructions of one request, and of each stage."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        ask(connection, path, status, WARM)
        self.tell("-z")
        self.tell("-i", "on")
        ask(connection, path, status, COUNTED)
        self.tell("-i", "off")
        before = set(self.work.glob("callgrind.out.*"))
        self.tell("-d")
        dump = self.dumped(before)
        return stages(dump, COUNTED)

    def dumped(self, before):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            fresh = set(self.work.glob("callgrind.out.*")) - before
            if fresh and "totals:" in next(iter(fresh)).read_text(errors="replace")[-200:]:
                return next(iter(fresh))
            time.sleep(0.2)
        sys.exit("callgrind wrote no counts")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


def ask(connection, path, status, times):
    for _ in range(times):
        connection.request("GET", path, headers=COOKIE)
        response = connection.getresponse()
        body = response.read()
        if response.status != status:
            sys.exit(f"{path} was answered with {response.status}, not {status}: {body[:500]!r}")


def stages(dump, requests):
    command = ["callgrind_annotate", "--inclusive=yes", "--threshold=100", "--auto=no", str(dump)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {}
    for line in text.splitlines():
        parsed = re.match(r"\s*([\d,]+)\s+\(.*?\)\s+(.*)", line)
        if not parsed:
            continue
        count = int(parsed.group(1).replace(",", "")) // requests
        if "PROGRAM TOTALS" in line:
            found["all"] = count
        for stage, pattern in STAGES.items():
            if re.search(pattern, parsed.group(2)):
                found[stage] = max(count, found.get(stage, 0))
    return {stage: found[stage] for stage in ["all", *STAGES] if stage in found}


def measure(program):
    app, counts = App(), {}
    for find in dict.fromkeys(one.find for one in SCENARIOS.values()):
        with tempfile.TemporaryDirectory() as work:
            os.chmod(work, 0o700)
            counted = Counted(program, work, app, find)
            try:
                counted.wait()
                counts |= {name: counted.count(one.path, one.status) for name, one in SCENARIOS.items() if one.find == find}
            finally:
                counted.stop()
    return {name: counts[name] for name in SCENARIOS}


def compare(counts, baseline):
    """What became worse than it may."""
    known = baseline["requests"]
    return [
        f"{name}: {now['all']:,} instructions a request, {now['all'] / known[name]['all'] - 1:+.1%} of the baseline's"
        for name, now in counts.items()
        if name in JUDGED and name in known and now["all"] > known[name]["all"] * MOST
    ]


def show(counts, known):
    for name, now in counts.items():
        print(f"\n{name}")
        for stage, count in now.items():
            was = known.get(name, {}).get(stage)
            print(f"  {stage:42} {count:>10,}" + (f"  {count / was - 1:+7.1%}" if was else ""))


def build():
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    subprocess.run(["cargo", "build", "--locked", "--release"], cwd=ROOT, check=True)
    return str(target / "release/deskgate")


def install():
    if not shutil.which("valgrind"):
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "valgrind"], check=True, stdout=subprocess.DEVNULL)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the baseline")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    options = parser.parse_args()
    install()
    counts = measure(os.environ.get("DESKGATE") or build())
    now = {"environment": environment(), "requests": counts}
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {"environment": None, "requests": {}}
    if options.json:
        print(json.dumps(now, indent=2))
    else:
        show(counts, baseline["requests"])
    if options.write:
        BASELINE.write_text(json.dumps(now, indent=2) + "\n")
        return
    if now["environment"] != baseline["environment"]:
        print(f"\nnot judged: the baseline is of {baseline['environment']}, this is {now['environment']}", file=sys.stderr)
        return
    worse = compare(counts, baseline)
    if worse:
        sys.exit("\n".join(["", "more than 3 % above the baseline:", *worse,
                            "take it out again; if it is worth its price: benches/instructions/run --write"]))


if __name__ == "__main__":
    main()
