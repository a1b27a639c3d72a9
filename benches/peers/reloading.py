"""What a reload of the policy costs whoever is being served at that moment."""
import signal
import statistics
import threading
import time

import load
from measure import SHARE
from origin import SMALL
from tools import say

# Long enough for several reloads, and for a p99 that is not one single moment.
SECONDS = 6


def under_load(fleet, tools, options):
    """p99 with and without a reload every second, in pairs; a request that got no answer, or a wrong one, is lost."""
    result = {"still": [], "reloading": [], "lost": 0, "requests": 0, "reloads": 0}
    instance = fleet.fresh("deskgate")
    try:
        url = instance.url + SMALL
        able = statistics.median(load.most(tools, url, 2) for _ in range(3))
        result["rate"] = rate = SHARE * able
        # Each is long.
        rounds = max(1, options.rounds // 3)
        for number in range(rounds):
            still = load.latency(tools, url, SECONDS, rate)
            reloading, reloads = while_reloading(instance, lambda: load.latency(tools, url, SECONDS, rate))
            result["still"].append(still.p99)
            result["reloading"].append(reloading.p99)
            result["lost"] += reloading.lost
            result["requests"] += reloading.requests
            result["reloads"] += reloads
            say(f"  reload {number + 1}/{rounds}: p99 {still.p99:.2f} ms, {reloading.p99:.2f} ms with {reloads} reloads, {reloading.lost} lost")
    finally:
        instance.started.stop()
    return result


def while_reloading(instance, work):
    """Changes the policy's text each time: one that is the same as before might be skipped."""
    over = threading.Event()
    reloads = []

    def reload():
        path = instance.work / "policy.yaml"
        text = path.read_text()
        while not over.wait(1):
            whole = text.replace("name: Peers", f"name: Peers {len(reloads)}", 1)
            # Moved into place: a file that is read half-written would be refused.
            path.with_suffix(".new").write_text(whole)
            path.with_suffix(".new").rename(path)
            instance.started.signal(signal.SIGHUP)
            reloads.append(time.monotonic())

    thread = threading.Thread(target=reload)
    thread.start()
    try:
        done = work()
    finally:
        over.set()
        thread.join()
    return done, len(reloads)
