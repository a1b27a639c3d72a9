"""Builds Deskgate with profile-guided optimisation: what the compiler saw it do under load, it makes fast.

    benches/pgo/run                     builds target/pgo/deskgate: 35 minutes on two cores
    benches/pgo/run --seconds 10        with longer rounds of load
    DESKGATE=target/pgo/deskgate benches/peers/run --only small,mid     what came of it

Three steps: a build that counts, load on it (the workloads of benches/peers), and a build that knows the counts.
Then BOLT does the same once more with the program itself: what is used together comes to stand together.
It needs LLVM's llvm-profdata, which rustup has as `rustup component add llvm-tools`, and its llvm-bolt; else Debian's
packages llvm-19, bolt-19 and libbolt-19-dev are installed. LLVM 19 and later read what Rust 1.83 and later write.
Where BOLT cannot be had, the program is left as the compiler made it, and a line says so.
"""
import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "peers"))
import origin  # noqa: E402
import processes  # noqa: E402
import tools as programs  # noqa: E402
from peers import Fleet  # noqa: E402
from tools import ROOT, say  # noqa: E402
from workloads import WORKLOADS  # noqa: E402

TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute() / "pgo"
# What Deskgate does all day, and the ways in which it is asked. Without an entry here a path is taken for rare.
TRAINED = ("small", "mid", "mid-coded", "big", "html", "csv", "attachment", "upload", "login", "refused", "tls-full",
           "tls-resumed", "h2")
# By name and in every text: two ways through the same answers.
PEERS = ("deskgate", "everywhere")


def merger():
    """llvm-profdata, as new as can be had."""
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True).stdout.strip()
    bundled = sorted(Path(sysroot).glob("lib/rustlib/*/bin/llvm-profdata"))
    named = [shutil.which(f"llvm-profdata-{version}") for version in range(30, 18, -1)]
    found = [program for program in [*bundled, *named] if program]
    if not found and not programs.quiet(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "llvm-19"]):
        sys.exit("llvm-profdata is missing: `rustup component add llvm-tools`, or install LLVM 19 or later")
    return found[0] if found else shutil.which("llvm-profdata-19")


def reorderer():
    """BOLT's programs and the library that its counting needs, of one version; None where they cannot be had."""
    for attempt in range(2):
        for version in range(30, 18, -1):
            tools = [shutil.which(f"{name}-{version}") for name in ("llvm-bolt", "merge-fdata")]
            library = Path(f"/usr/lib/llvm-{version}/lib/libbolt_rt_instr.a")
            if all(tools) and library.exists():
                return (*tools, library)
        if attempt == 0 and not programs.quiet(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "bolt-19", "libbolt-19-dev"]):
            return None
    return None


def reorder(program, seconds):
    """The program as BOLT lays it out, after the same load; None where that does not work."""
    found = reorderer()
    if not found:
        say("llvm-bolt is missing (Debian: bolt-19, libbolt-19-dev): left as the compiler made it")
        return None
    bolt, merge, library = found
    counts, counting, ordered = TARGET / "bolt", TARGET / "deskgate-counting", TARGET / "deskgate-ordered"
    shutil.rmtree(counts, ignore_errors=True)
    counts.mkdir(parents=True)
    say("BOLT: laying the program out (some minutes)")
    # It looks for the library from /usr/lib on.
    if not programs.quiet([bolt, program, "-instrument", f"--runtime-instrumentation-lib={library.relative_to('/usr/lib')}",
                           f"--instrumentation-file={counts}/counts", "--instrumentation-file-append-pid", "-o", counting]):
        return None
    train(counting, seconds)
    written = sorted(counts.glob("counts.*"))
    with open(counts / "all", "wb") as merged:
        done = subprocess.run([merge, *written], stdout=merged, stderr=subprocess.DEVNULL)
    if not written or done.returncode:
        say("BOLT counted nothing: left as the compiler made it")
        return None
    return ordered if programs.quiet([bolt, program, "-o", ordered, f"-data={counts}/all", "-reorder-blocks=ext-tsp",
                                      "-reorder-functions=hfsort", "-split-functions", "-split-all-cold", "-split-eh",
                                      "-icf=1"]) else None


def build(what, flag):
    """The program, built with a flag more. For a named target, so that build scripts do not count."""
    say(f"building Deskgate {what} (profile dist, some ten minutes)")
    triple = next(line.split()[1] for line in subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True)
                  .stdout.splitlines() if line.startswith("host"))
    flags = f"{os.environ.get('RUSTFLAGS', '')} {flag}".strip()
    command = ["cargo", "build", "--locked", "--profile", "dist", "--bin", "deskgate", "--target", triple,
               "--target-dir", TARGET / "build"]
    # BOLT needs the names.
    env = {**os.environ, "RUSTFLAGS": flags, "CARGO_PROFILE_DIST_STRIP": "none"}
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, env=env)
    if done.returncode:
        sys.exit("Deskgate could not be built; what cargo says about it is above")
    return TARGET / "build" / triple / "dist" / "deskgate"


def train(program, seconds):
    """Load on the program, which writes what it counted when it ends."""
    tools = programs.Tools()
    programs.debian(tools)
    tools.add("deskgate", program)
    processes.allow_many_files()
    with tempfile.TemporaryDirectory(prefix="deskgate-pgo-") as work:
        app, port = origin.start(tools, work)
        fleet = Fleet(tools, work, port)
        try:
            for workload in (WORKLOADS[name] for name in TRAINED):
                for peer in (peer for peer in PEERS if peer in workload.peers):
                    say(f"  {workload.name}, {peer}")
                    instance = fleet.get(peer, workload.setting)
                    workload.run(tools, instance, seconds, fleet.work)
            for instance in fleet.running.values():
                instance.started.signal(signal.SIGTERM)
                instance.started.process.wait(timeout=60)
        finally:
            fleet.drop()
            app.stop()


def main():
    parser = argparse.ArgumentParser(prog="benches/pgo/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=4, help="of load for each workload (default: %(default)s)")
    asked = parser.parse_args()
    merge = merger()
    counts, profile = TARGET / "counts", TARGET / "deskgate.profdata"
    shutil.rmtree(counts, ignore_errors=True)
    counting = build("to count", f"-Cprofile-generate={counts}")
    shutil.rmtree(counts, ignore_errors=True)
    train(counting, asked.seconds)
    written = sorted(counts.glob("*.profraw"))
    if not written:
        sys.exit(f"nothing was counted: {counts} has no .profraw")
    subprocess.run([merge, "merge", "-o", profile, *written], check=True)
    program = build("with what was counted", f"-Cprofile-use={profile} -Clink-arg=-Wl,--emit-relocs")
    shutil.copy2(program, TARGET / "deskgate-by-compiler")
    shutil.copy2(reorder(program, asked.seconds) or program, TARGET / "deskgate")
    print(TARGET / "deskgate")


if __name__ == "__main__":
    main()
