"""The command behind benches/peers/run."""
import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import load
import measure
import origin
import processes
import report
import tools as programs
from peers import PEERS, Fleet
from workloads import APART, WORKLOADS

EPILOG = f"""
workloads: {', '.join([*WORKLOADS, *APART])}
peers:     {', '.join(PEERS)}

examples:
  benches/peers/run                                   everything: about 25 minutes
  benches/peers/run --only small,mid --rounds 3       a first look: two minutes
  benches/peers/run --peers bare,deskgate             Deskgate against bare Pingora alone
  benches/peers/run --growth                          how Deskgate's cost grows: up to 20 minutes
  DESKGATE=path BARE=path benches/peers/run           with programs that are built already; the workload speeds is built anyway

The first run builds Deskgate, bare Pingora and a load generator before: half an hour more on two cores. Needs two cores, Rust,
the network, and Debian as root the first time: it installs what is missing. Load goes to loopback only.
"""


def names(known):
    def read(text):
        chosen = [name.strip() for name in text.split(",")]
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return chosen
    return read


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def program(name):
    """What `name` names, if it is set, must be there: a run without it would show nothing."""
    path = os.environ.get(name)
    if path is not None and not (os.path.isfile(path) and os.access(path, os.X_OK)):
        return f"{name}={path}: no such program"
    return None


def place(path):
    """Why a report could not be written there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return None
    except OSError as e:
        return f"--out {path}: {e.strerror}"


def arguments():
    parser = argparse.ArgumentParser(prog="benches/peers/run", description="Measures what Deskgate costs beside other proxies.",
                                     epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=positive,
                        help="rounds of each workload, in turns (default 15, with --growth 3); a third of them, longer ones, where requests take long, and of latency, reload and speeds")
    parser.add_argument("--seconds", type=positive, help="seconds of load for each peer in a round (default 1, with --growth 3)")
    parser.add_argument("--only", type=names([*WORKLOADS, *APART]), metavar="WORKLOAD,...", help="these workloads only")
    parser.add_argument("--peers", type=names(PEERS), metavar="NAME,...", help="these peers only")
    parser.add_argument("--growth", action="store_true", help="how Deskgate's cost grows, instead of the peers")
    parser.add_argument("--out", type=Path, default=default_out(), metavar="DIR", help=f"where the report goes (default {default_out()})")
    chosen = parser.parse_args()
    if chosen.growth and (chosen.only or chosen.peers):
        parser.error("--growth measures Deskgate alone, in all its curves: not together with --only or --peers")
    wrong = program("DESKGATE") or program("BARE") or place(chosen.out)
    if wrong:
        parser.error(wrong)
    chosen.rounds = chosen.rounds or (3 if chosen.growth else 15)
    chosen.seconds = chosen.seconds or (3 if chosen.growth else 1)
    return chosen


def default_out():
    return Path(os.environ.get("CARGO_TARGET_DIR") or programs.ROOT / "target") / "peers"


def main():
    chosen = arguments()
    # So that what was started is stopped, whoever ends the run.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    begun = time.time()
    processes.allow_many_files()
    tools = programs.gather(rewriters=not chosen.growth and (not chosen.only or "speeds" in chosen.only))
    os.sched_setaffinity(0, {processes.LOAD_CORE})
    with tempfile.TemporaryDirectory(prefix="peers-") as work:
        try:
            _, port = origin.start(tools, work)
            measured = growth_of_deskgate if chosen.growth else against_peers
            failed = measured(chosen, Fleet(tools, work, port), tools)
        finally:
            processes.stop_all()
    programs.say(f"took {time.time() - begun:.0f} s; the report is in {chosen.out}")
    if failed:
        sys.exit("not measured: " + "; ".join(failed))


def facts(tools, chosen):
    named = [f"{name}={os.environ[name]}" for name in ("DESKGATE", "BARE") if name in os.environ]
    return {"machine": programs.machine(), "versions": programs.versions(tools), "rounds": chosen.rounds, "seconds": chosen.seconds,
            "missing": tools.missing, "date": time.strftime("%Y-%m-%d %H:%M"), "unfinished": True,
            "command": " ".join([*named, "benches/peers/run", *sys.argv[1:]])}


def against_peers(chosen, fleet, tools):
    """Measures and writes; what of Deskgate or bare Pingora could not be measured, in words."""
    options = measure.Options(chosen.rounds, chosen.seconds, chosen.peers)
    found = {"facts": facts(tools, chosen), "workloads": [], "apart": {}}
    # At once: what lies there of another run is not this one's.
    report.write(found, chosen.out)
    for name, workload in WORKLOADS.items():
        if not chosen.only or name in chosen.only:
            programs.say(f"{name}: {workload.told}")
            found["workloads"].append(measure.workload(workload, fleet, tools, options))
            print(report.workload_table(found["workloads"][-1]), flush=True)
            report.write(found, chosen.out)
    for name, told in APART.items():
        if not chosen.only or name in chosen.only:
            programs.say(f"{name}: {told}")
            found["apart"][name] = taken_apart(name, fleet, tools, options)
            print(report.apart_table(name, found["apart"][name]), flush=True)
            report.write(found, chosen.out)
    del found["facts"]["unfinished"]
    report.write(found, chosen.out)
    return report.failures(found)


def taken_apart(name, fleet, tools, options):
    """What was found, or why nothing was: the rest of a long run is not lost for it."""
    if name != "idle" and options.peers and "deskgate" not in options.peers:
        return {"problem": "it is Deskgate's alone, which --peers leaves out"}
    if name == "reload" and not tools.has("oha"):
        return {"problem": f"oha: {tools.missing.get('oha')}"}
    try:
        return apart(name)(fleet, tools, options)
    except (AssertionError, OSError, processes.DidNotStart, load.LoadFailed, subprocess.SubprocessError) as e:
        return {"problem": f"{type(e).__name__}: {e}"}


def apart(name):
    import memory
    import reloading
    import speeds
    return {"idle": memory.idle, "memory": memory.bodies, "reload": reloading.under_load, "speeds": speeds.of_rewriters}[name]


def growth_of_deskgate(chosen, fleet, tools):
    import growth
    found = {"facts": facts(tools, chosen), "curves": growth.curves(fleet, tools, chosen.rounds, chosen.seconds)}
    del found["facts"]["unfinished"]
    report.write_growth(found, chosen.out)
    return [f"{curve['name']}: {curve['problem']}" for curve in found["curves"] if curve.get("problem")]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped; what was measured before is in the report, which says that it is not finished")
    except programs.CannotBuild as e:
        sys.exit(f"benches/peers/run: {e}")
