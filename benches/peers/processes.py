"""Programs under measurement: started on one core, read from /proc, stopped."""
import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

LOAD_CORE = 0
# Everything on one core measures something else, but it still shows that all works.
PROXY_CORE = 1 if (os.cpu_count() or 1) > 1 else 0


ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Every program that runs, so that none is left behind whoever ends the run, and whenever.
RUNNING = set()


@contextlib.contextmanager
def uninterrupted():
    """What would end the run waits until this is over: a program that is being started is known by then."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = []
    before = {which: signal.signal(which, lambda number, _: came.append(number)) for which in ENDINGS}
    try:
        yield
    finally:
        for which, handler in before.items():
            signal.signal(which, handler or signal.SIG_DFL)
        for number in came:
            os.kill(os.getpid(), number)


def stop_all():
    for started in list(RUNNING):
        started.stop()


class DidNotStart(Exception):
    """A program that ended, or did not listen in time; with what it said last."""


def allow_many_files(wanted=65536):
    """Ten thousand idle connections need as many descriptors, here and in every proxy that is started."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def on_core(core, command):
    """The command, held to one core (or to several, written as taskset does: 0-1)."""
    return ["taskset", "-c", str(core), *map(str, command)]


class Started:
    """A running program with all its children: servers have workers, and what those cost counts."""

    def __init__(self, command, core, log):
        self.log = Path(log)
        with open(log, "ab") as out, uninterrupted():
            self.process = subprocess.Popen(
                on_core(core, command), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
            self.pid = self.process.pid
            RUNNING.add(self)

    def wait_for(self, port, seconds=20):
        """Returns once the port takes connections. What does not come so far is stopped, whoever ends the waiting."""
        try:
            return self._wait_for(port, seconds)
        except BaseException:
            self.stop()
            raise

    def _wait_for(self, port, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise DidNotStart(f"ended with status {self.process.returncode}: {self.last_words()}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise DidNotStart(f"does not listen after {seconds} s: {self.last_words()}")

    def last_words(self):
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return " / ".join(lines[-3:]) or "it said nothing"

    def pids(self):
        return family(self.pid)

    def cpu(self):
        """Nanoseconds on a processor so far, of every thread."""
        return sum(thread_time(pid) for pid in self.pids())

    def memory(self):
        """KiB now: `rss` and `pss` (pages that several share count once), `own` (not of files), `peak`."""
        total = {"rss": 0, "pss": 0, "own": 0, "peak": 0}
        for pid in self.pids():
            status = Path(f"/proc/{pid}/status").read_text()
            total["rss"] += kib(status, "VmRSS")
            total["own"] += kib(status, "RssAnon")
            total["peak"] += kib(status, "VmHWM")
            total["pss"] += kib(Path(f"/proc/{pid}/smaps_rollup").read_text(), "Pss")
        return total

    def forget_peak(self):
        for pid in self.pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def signal(self, which):
        os.kill(self.pid, which)

    def stop(self):
        """At once: nothing is lost that is not thrown away after the run anyway."""
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        RUNNING.discard(self)


def family(root):
    """The process and all below it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting.extend(children.get(pid, ()))
    return found


def thread_time(pid):
    """Nanoseconds of all threads of a process. `stat` counts in ticks of 10 ms, which is coarse for short rounds."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            # A thread that has just ended.
            continue
    return total


def kib(text, name):
    found = re.search(rf"^{name}:\s+(\d+)", text, re.M)
    return int(found[1]) if found else 0


class Peak:
    """The most memory of its own that a program takes while this is open."""

    def __init__(self, started):
        self.started, self.most, self.over = started, 0, threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def _watch(self):
        path = Path(f"/proc/{self.started.pid}/status")
        while not self.over.is_set():
            self.most = max(self.most, kib(path.read_text(), "RssAnon"))
            time.sleep(0.002)
