"""Rounds of one workload over its peers, interleaved: what disturbs the machine disturbs all of them."""
import subprocess

import figures
import load
import verify
from peers import PEERS
from processes import DidNotStart
from tools import say

# Latency is measured with this part of what the slower of the compared proxies can do under the same load.
SHARE = 0.7


class Options:
    """What the command line says about how long to measure."""
    def __init__(self, rounds, seconds, peers=None):
        self.rounds, self.seconds, self.peers = rounds, seconds, peers

    def of(self, workload):
        """Rounds and seconds. Of requests that take long, too many are half done when a short round is over."""
        return (max(1, self.rounds // 3), self.seconds * 3) if workload.slow else (self.rounds, self.seconds)


def workload(workload, fleet, tools, options):
    """Everything about one workload: for each peer its rounds, or why there are none."""
    result = {"name": workload.name, "told": workload.told, "base": workload.base, "masked": workload.masked, "by_name": workload.by_name, "peers": {}}
    ready = prepare(workload, fleet, tools, options, result)
    rounds, seconds = options.of(workload)
    for number in range(rounds):
        # There and back: what changes slowly, such as the processor's speed, is no peer's advantage.
        for name, instance in list(ready.items())[::-1 if number % 2 else 1]:
            row = result["peers"][name]
            try:
                taken = one_round(workload, tools, instance, seconds, fleet.work)
            except (load.LoadFailed, subprocess.TimeoutExpired) as e:
                row["problem"] = str(e)
                del ready[name]
                continue
            for key, value in taken.items():
                row[key].append(value)
            say(f"  {workload.name} {number + 1}/{rounds} {name}: {taken['cpu']:.1f} us, {taken['rate']:.0f}/s, core {taken['busy']:.0%} busy")
    if workload.latency and tools.has("oha"):
        latencies(workload, ready, tools, options, result)
    fleet.drop(lambda setting: setting == workload.setting and setting != type(setting)())
    return result


def prepare(workload, fleet, tools, options, result):
    """The instances that do the job, each warmed up. The others are in the result, with what they do instead."""
    ready = {}
    for name in workload.peers:
        if options.peers and name not in options.peers:
            continue
        row = result["peers"][name] = {"cpu": [], "rate": [], "busy": [], "p50": [], "p99": [], "problem": None}
        try:
            row["problem"] = not_available(name, tools) or doubts(workload, fleet, name)
            if not row["problem"]:
                instance = fleet.get(name, workload.setting)
                warm = workload.run(tools, instance, 1, fleet.work)
                row["problem"] = f"{warm.wrong} of {warm.requests} answers under load were not as they should be" if warm.wrong else None
        except (DidNotStart, load.LoadFailed, subprocess.TimeoutExpired) as e:
            row["problem"] = str(e)
        if row["problem"]:
            say(f"  {workload.name} {name}: does not do the job: {row['problem']}")
        else:
            ready[name] = instance
    return ready


def not_available(name, tools):
    lacking = [need for need in PEERS[name].needs if not tools.has(need)]
    return f"left out: {lacking[0]}: {tools.missing.get(lacking[0], 'not installed')}" if lacking else None


def doubts(workload, fleet, name):
    """What the peer does not do that it is here for."""
    usual = fleet.get(name)
    if usual.problems == []:
        # A list, so that it is asked once: with what was found, or with nothing.
        usual.problems = [verify.claims(fleet, usual)]
    return usual.problems[0] or verify.answer(workload, fleet.get(name, workload.setting))


def one_round(workload, tools, instance, seconds, work):
    """CPU microseconds for each request, requests a second, and how busy the proxy's core was with it."""
    before = instance.started.cpu()
    done = workload.run(tools, instance, seconds, work)
    spent = (instance.started.cpu() - before) / 1000
    if done.wrong or not done.requests:
        raise load.LoadFailed(f"{done.wrong} of {done.requests} answers under load were not as they should be")
    return {"cpu": spent / done.requests, "rate": done.rate, "busy": spent / 1e6 / (done.requests / done.rate)}


def latencies(workload, ready, tools, options, result):
    """Latency at one fixed rate for all: 70 % of what the slower of bare Pingora and Deskgate can do under this load."""
    compared = [name for name in workload.latency if name in ready]
    pair = [name for name in compared if name in ("bare", "deskgate", "everywhere")]
    if not pair:
        return
    try:
        able = min(load.most(tools, ready[name].url + workload.path, options.seconds * 2, workload.connections) for name in pair)
    except (load.LoadFailed, subprocess.TimeoutExpired) as e:
        say(f"  {workload.name}: no latency: {e}")
        return
    rate = SHARE * min(able, *(figures.median(result["peers"][name]["rate"]) for name in pair))
    result["fixed_rate"] = rate
    # A p99 needs many requests.
    rounds, seconds = max(1, options.rounds // 3), options.seconds * 3
    for number in range(rounds):
        for name in compared:
            row = result["peers"][name]
            if SHARE * figures.median(row["rate"]) < 0.95 * rate:
                row["too_slow"] = True
                continue
            try:
                taken = load.latency(tools, ready[name].url + workload.path, seconds, rate, workload.connections)
            except (load.LoadFailed, subprocess.TimeoutExpired) as e:
                say(f"  {workload.name} {name}: no latency: {e}")
                row["p50"].append(None)
                row["p99"].append(None)
                continue
            # What was not answered, or could not even be asked in time, has no latency.
            if taken.lost or taken.came < 0.95 * rate:
                say(f"  {workload.name} {name}: {taken.lost} lost, {taken.came:.0f}/s came of {rate:.0f}")
                row["fell_behind"] = True
            row["p50"].append(taken.p50)
            row["p99"].append(taken.p99)
            say(f"  {workload.name} {number + 1}/{rounds} {name}: at {rate:.0f}/s p50 {taken.p50:.2f} ms, p99 {taken.p99:.2f} ms")
