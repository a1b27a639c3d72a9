"""Memory: of ten thousand connections that wait, of answers of 1 GiB that are masked, of uploads of 20 MB."""
import http.client
import socket
import subprocess
import threading
import time

import corpus
import load
import origin
import verify
from measure import not_available
from peers import Setting
from processes import DidNotStart, Peak
from tools import say

CONNECTIONS = 10_000
GIBIBYTE = 1 << 30
WARM = 64 << 20
UPLOAD = 20_000_000
AT_ONCE = 100
IDLE_PEERS = ("bare", "haproxy", "nginx", "nginx-own", "envoy", "deskgate")


# --- idle connections -------------------------------------------------------------------------------

def idle(fleet, tools, options):
    """What 10,000 connections add that have been served once and wait for more. A fresh instance of each peer: what
    an allocator keeps of an earlier load would hide it. Both kinds of memory, since ratios of RSS flatter large programs."""
    result = {"connections": CONNECTIONS, "peers": {}}
    for name in IDLE_PEERS:
        if options.peers and name not in options.peers:
            continue
        problem = not_available(name, tools)
        try:
            row = {"problem": problem} if problem else idle_of(fleet.fresh(name))
        except (DidNotStart, OSError) as e:
            row = {"problem": str(e)}
        result["peers"][name] = row
        say(f"  idle {name}: {row}")
    return result


def idle_of(instance):
    streams = []
    try:
        for _ in range(20):
            # What the first requests allocate is not the connections'.
            ask(instance.port).close()
        time.sleep(0.5)
        before = instance.started.memory()
        streams = [ask(instance.port) for _ in range(CONNECTIONS)]
        time.sleep(1)
        after = instance.started.memory()
        still = sum(open_still(stream) for stream in streams)
    finally:
        for stream in streams:
            stream.close()
        instance.started.stop()
    problem = None if still == CONNECTIONS else f"{CONNECTIONS - still:,} of {CONNECTIONS:,} connections were closed"
    return {"before": before, "after": after, "added": after["pss"] - before["pss"], "problem": problem}


def ask(port):
    """One connection, one request, its whole answer."""
    stream = socket.create_connection(("127.0.0.1", port))
    stream.sendall(f"GET {origin.SMALL} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {load.COOKIE}\r\n\r\n".encode())
    answer = b""
    while b"]}]}" not in answer:
        piece = stream.recv(65536)
        if not piece:
            raise OSError(f"a connection was closed before its answer: {answer[:80]!r}")
        answer += piece
    return stream


def open_still(stream):
    stream.setblocking(False)
    try:
        return bool(stream.recv(1))
    except BlockingIOError:
        return True
    except OSError:
        return False


# --- bodies ---------------------------------------------------------------------------------------

def bodies(fleet, tools, options):
    """Memory of Deskgate's own above what it had, while large bodies pass; for the app that makes them as it sends."""
    app, port = origin.start_endless(fleet.work)
    rows = []
    kinds = (("deskgate", "by name"), ("everywhere", "every text searched"))
    try:
        for name, words in (kind for kind in kinds if not options.peers or kind[0] in options.peers):
            rows += told(answers(fleet, name, words, port))
        rows += told(uploads(fleet, port))
    finally:
        app.stop()
    return {"rows": rows}


def told(rows):
    for row in rows:
        say(f"  memory: {row['what']}: {row['kib']:.0f} KiB, {row['note']}")
        yield row


def answers(fleet, name, words, port):
    instance = fleet.fresh(name, Setting(origin=port))
    try:
        for path, kind in ((origin.MID, "JSON"), (origin.EXPORT, "CSV")):
            url = f"{instance.url}{path}?bytes="
            status, body = verify.fetch(url + "200000")
            assert status == 200 and b"+X-XXX" in body and b"+1-555" not in body, f"{kind} is not masked: {status} {body[:200]}"
            # What the first long answer allocates is kept for all that follow; what counts is that length adds nothing.
            length_of(url + str(WARM))
            before = instance.started.memory()["own"]
            with Peak(instance.started) as peak:
                passed = length_of(url + str(GIBIBYTE))
            yield {"what": f"a masked answer of 1 GiB, {kind}, {words}", "kib": peak.most - before,
                   "note": f"{passed >> 20:,} MiB came out: masks are shorter; after one of 64 MiB"}
    finally:
        instance.started.stop()


def length_of(url):
    done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{size_download}", "-H", f"Cookie: {load.COOKIE}", url],
                          capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise OSError(f"curl ended with {done.returncode} after {done.stdout} bytes")
    return int(done.stdout)


def uploads(fleet, port):
    """One at a time, and a hundred at once that each wait half-way."""
    instance = fleet.fresh("deskgate", Setting(origin=port, allowed=("127.0.0.0/8",)))
    body, small = corpus.form(UPLOAD), corpus.form(1000)
    try:
        with connect(instance.port) as stream:
            for _ in range(5):
                assert send(stream, instance.port, body) == 200, "an upload is taken"
            before = instance.started.memory()["own"]
            with Peak(instance.started) as peak:
                for _ in range(5):
                    assert send(stream, instance.port, body) == 200
        yield {"what": "an upload of 20 MB, inspected", "kib": peak.most - before, "note": "the most of five in a row, after five others"}
        yield at_once(instance, body, small)
    finally:
        instance.started.stop()


def at_once(instance, body, small):
    # One address may have a quarter of the memory for bodies: a hundred addresses of loopback have one upload each.
    streams = [connect(instance.port, f"127.0.0.{2 + i}") for i in range(AT_ONCE)]
    for stream in streams:
        assert send(stream, instance.port, small) == 200, "a small upload is taken"
    before = instance.started.memory()["own"]
    statuses = []
    with Peak(instance.started) as peak:
        threads = [threading.Thread(target=lambda s=s: statuses.append(send(s, instance.port, body, pause=3.0))) for s in streams]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for stream in streams:
        stream.close()
    taken = sum(status == 200 for status in statuses)
    return {"what": f"each of {AT_ONCE} uploads of 20 MB at once, half sent", "kib": (peak.most - before) / AT_ONCE,
            "note": f"{taken} taken; above their open connections"}


def connect(port, address="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", port), source_address=(address, 0))


def send(stream, port, body, pause=0.0):
    """Posts a form in two halves and returns the status."""
    head = (f"POST {origin.REPLY} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {load.COOKIE}\r\n"
            f"Content-Type: {corpus.FORM_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n")
    stream.sendall(head.encode())
    half = len(body) // 2
    stream.sendall(memoryview(body)[:half])
    time.sleep(pause)
    stream.sendall(memoryview(body)[half:])
    response = http.client.HTTPResponse(stream)
    response.begin()
    response.read()
    return response.status
