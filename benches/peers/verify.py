"""Seeing that a proxy does its job, before its time counts.

Every check returns what is wrong in words, or nothing. A proxy that fails one is named in the report with these words,
and no figure of it is given for the workload.
"""
import json
import subprocess
import tempfile
import time
from pathlib import Path

import corpus
import load
import origin
from peers import Setting

# Another address of loopback, which is on nobody's list.
STRANGER = "127.0.0.2"


def fetch(url, *more, cookie=load.COOKIE, data=None):
    """Status and body of one request, with curl: it speaks every way that is measured, from any address."""
    with tempfile.NamedTemporaryFile() as body:
        command = ["curl", "-sk", "--max-time", "60", "-o", body.name, "-w", "%{http_code}", *more, url]
        if cookie:
            command += ["-H", f"Cookie: {cookie}"]
        done = subprocess.run([*command, *(["--data-binary", "@-"] if data is not None else [])], input=data or b"", capture_output=True)
        return int(done.stdout or 0), Path(body.name).read_bytes()


def claims(fleet, instance):
    """Whether it refuses and records what it is configured to. Asked once for each instance."""
    checks = {"address": address, "session": session, "role": role, "log": log}
    for name, check in checks.items():
        if name in instance.peer.claims:
            wrong = check(instance)
            if wrong:
                return wrong
    return rate(fleet, instance) if "rate" in instance.peer.claims else None


def address(instance):
    status, _ = fetch(instance.url + origin.SMALL, "--interface", STRANGER)
    return None if status == 403 else f"a request from {STRANGER} was answered with {status}, not refused with 403"


def session(instance):
    status, _ = fetch(instance.url + origin.EXPORT, cookie=None)
    return None if status in (401, 403) else f"a request without a session was answered with {status}, not refused"


def role(instance):
    status, _ = fetch(instance.url + origin.SMALL, "-X", "DELETE")
    return None if status == 403 else f"an agent's deletion of a ticket was answered with {status}, not refused with 403"


def log(instance):
    before = instance.log.stat().st_size if instance.log.exists() else 0
    fetch(instance.url + origin.SMALL)
    # Envoy writes its log every ten seconds.
    for _ in range(120):
        if instance.log.exists() and instance.log.stat().st_size > before:
            return None
        time.sleep(0.1)
    return f"nothing was written to its log {instance.log.name}"


def rate(fleet, instance):
    """With an instance of its own, whose limit is low enough to be reached."""
    low = fleet.fresh(instance.peer.name, Setting(rate=5))
    try:
        done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} ", "-H", f"Cookie: {load.COOKIE}",
                               f"{low.url}{origin.SMALL}?[1-40]"], capture_output=True, text=True)
        return None if "429" in done.stdout.split() else "40 requests at a limit of 5 a second were all let through"
    finally:
        low.started.stop()


def answer(workload, instance):
    """Whether one request of the workload is answered as it must be, to the byte."""
    more = ["--http2-prior-knowledge"] if instance.setting.wire == "h2c" else []
    more += ["-H", f"Accept-Encoding: {workload.accepts}", "--compressed"] if workload.accepts else []
    data = workload.post().replace(b"%d", b"1") if workload.post else None
    if data is not None:
        more += ["-H", f"Content-Type: {workload.post_type}", "-H", "Expect:"]
    status, body = fetch(instance.url + workload.path, *more, cookie=workload.cookie, data=data)
    if status != workload.status:
        return f"answered with {status}, not {workload.status}"
    if workload.body:
        return right_body(workload, instance, body)
    if workload.name == "upload" and "role" in instance.peer.claims:
        return disguised(workload, instance)
    return None


def right_body(workload, instance, body):
    expected = workload.body()
    masks = instance.peer.masks
    # The peers' Lua knows no routes: it masks whatever is JSON.
    if masks == "digits" and expected.startswith(b"{"):
        return None if json.loads(body) == corpus.digits_hidden(json.loads(expected)) else "the JSON is not masked as it should be"
    if masks == "deskgate" and workload.masked:
        expected = masked(workload, instance, expected)
    return None if body == expected else corpus.first_difference(expected, body)


def masked(workload, instance, body):
    if workload.by_name:
        return corpus.masked_by_deskgate(body)
    # By name nothing is found in it, which is why `everywhere` is the default.
    return corpus.masked_page() if instance.peer.name == "everywhere" else body


def disguised(workload, instance):
    """A program that is called a PDF must be refused by whoever inspects uploads."""
    evil = corpus.form(begins=b"MZ\x90\0\x03\0\0\0\0")
    status, _ = fetch(instance.url + workload.path, "-H", f"Content-Type: {workload.post_type}", "-H", "Expect:", data=evil)
    return None if status == 415 else f"a program disguised as a PDF was answered with {status}, not refused with 415"
