"""How Deskgate's cost grows with what there is of something: CPU of one request at points from few to many.

All points of a curve are measured in turn, round by round, each with an instance of its own; the ratio of the large
end to the small end is the median of the rounds' ratios.
"""
import random
import re
import resource
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import load
import memory
import origin
import policy
from peers import OPEN, Setting
from processes import LOAD_CORE, PROXY_CORE, DidNotStart
from tools import say

# As long as anybody should wait for sessions to be made; the report tells how many there were then.
SEEDING = 720
LIMIT = 1.2


@dataclass
class Point:
    """One place on a curve; `take` measures it once."""
    x: int
    take: object
    note: str = ""
    rounds: int | None = None
    values: list = field(default_factory=list)

    @property
    def label(self):
        return short(self.x)


@dataclass
class Curve:
    name: str
    told: str
    unit: str
    points: list
    limit: float | None = None

    def written(self):
        points = [{"x": p.x, "label": p.label, "values": p.values, "note": p.note} for p in self.points]
        return {"name": self.name, "told": self.told, "unit": self.unit, "limit": self.limit, "points": points}


def short(number):
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size and number % (size // 10) == 0:
            return f"{number / size:g}{unit}"
    return f"{number:,}"


def curves(fleet, tools, rounds, seconds):
    """Every curve, measured."""
    found = []
    for make in (addresses, sessions, routes, rules, sizes, connections, cores):
        begun = time.time()
        try:
            curve = make(fleet, tools, seconds)
            for number in range(rounds):
                one_round(curve, number, rounds)
            found.append(curve.written())
        except (DidNotStart, load.LoadFailed, OSError) as e:
            found.append({**Curve(make.__name__, make.__name__, "", []).written(), "problem": str(e)})
            say(f"{make.__name__}: not measured: {e}")
        fleet.drop()
        say(f"{make.__name__}: {time.time() - begun:.0f} s")
    return found


def one_round(curve, number, rounds):
    for point in curve.points:
        if number < (point.rounds or rounds):
            point.values.append(point.take())
            say(f"  {curve.name} {number + 1}/{rounds} {point.label}: {point.values[-1]:.2f} {curve.unit}")


def cost(tools, instance, path, seconds, connections=64, script=None):
    """CPU microseconds of one request."""
    # Many connections take their time to come to be.
    seconds += connections // 1_000
    before = instance.started.cpu()
    done = load.wrk(tools, instance.url + path, seconds, connections, script=script)
    if done.wrong or not done.requests:
        raise load.LoadFailed(f"{done.wrong} of {done.requests} answers were not as they should be")
    spent = instance.started.cpu() - before
    if connections >= 1_000:
        # They are closed all at once, which costs too; the next point should not pay for it.
        time.sleep(3)
    return spent / 1000 / done.requests


def point(x, fleet, tools, seconds, setting, path=origin.SMALL, connections=64):
    """A point that is one setting under the usual load, warmed up."""
    instance = fleet.get("deskgate", setting)
    cost(tools, instance, path, 1, connections)
    return Point(x, lambda: cost(tools, instance, path, seconds, connections))


# --- the curves -------------------------------------------------------------------------------------

def addresses(fleet, tools, seconds):
    chance = random.Random(4)

    def network():
        return f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}/32"

    def listed(count):
        # The address that asks stands last.
        return (*(network() for _ in range(count - 1)), OPEN[0])
    points = [point(n, fleet, tools, seconds, Setting(allowed=listed(n))) for n in (10, 100, 1_000, 10_000)]
    return Curve("addresses", "entries in a list of addresses", "us of CPU a request", points, LIMIT)


def sessions(fleet, tools, seconds):
    """Sessions come to be as they do in an app that was there before the gateway: each is asked about once."""
    points = []
    for count in (1, 100, 10_000, 1_000_000):
        instance = fleet.get("deskgate", Setting(more=(("name", f"Sessions {count}"),)))
        live = seed(fleet.work, tools, instance, count)
        live = count if live >= enough(count) else live
        script = visits(fleet.work, count, 0, live)
        take = (lambda instance=instance, script=script: cost(tools, instance, origin.SMALL, seconds, script=script))
        points.append(Point(live, take, "" if live == count else f"{count:,} were not reached in {SEEDING} s"))
    return Curve("sessions", "live sessions", "us of CPU a request", points, LIMIT)


def enough(count):
    """A request that was under way when a load ended leaves a gap, and nobody goes back for it."""
    return count - count // 1000


def visits(work, count, first, last):
    """A script with which wrk goes round the cookies of people `first` to `last` of `count`, no two neighbours in turn."""
    script = Path(work) / f"visits-{count}-{first}-{last}.lua"
    script.write_text(f"""local n = {first}
function request()
  n = n + 1
  if n > {last} then n = {first} + 1 end
  local who = (n * 7919) % {count}
  return wrk.format(nil, nil, {{ Cookie = string.format("tinydesk=u%d-%032d", who, who) }})
end
""")
    return script


def seed(work, tools, instance, count):
    """New people's requests until there are so many sessions, or the time for it is over. Returns how many there are."""
    end = time.monotonic() + SEEDING
    live = live_sessions(instance)
    while live < enough(count) and time.monotonic() < end:
        # From a little before the last: requests under way when a load ended may not have been answered.
        script = visits(work, count, max(0, live - 1_000), count)
        done = load.wrk(tools, instance.url + origin.SMALL, 1 if count <= 100 else 5, 256, script=script)
        live = live_sessions(instance)
        say(f"  sessions: {live:,} of {count:,}, {done.rate:.0f}/s")
    return live


def live_sessions(instance):
    admin = re.search(r"admin: (\S+)", (instance.work / "policy.yaml").read_text())[1]
    with urllib.request.urlopen(f"http://{admin}/metrics") as answer:
        return sum(int(float(n)) for n in re.findall(r"^deskgate_sessions\{[^}]*\} (\S+)", answer.read().decode(), re.M))


def routes(fleet, tools, seconds):
    def patterns(count):
        return tuple(f"/plugins/p{i}/{{id}}/view" for i in range(count))
    points = [point(n, fleet, tools, seconds, Setting(more=(("routes", patterns(n)),))) for n in (10, 100, 1_000)]
    return Curve("routes", "route patterns besides the profile's", "us of CPU a request", points, LIMIT)


def rules(fleet, tools, seconds):
    """Masking rules, up to as many as a policy may have, each for a field with a name of its own; the JSON has one of them."""
    points = []
    for count in (1, 8, 64):
        names = [f"field_{i}" for i in range(count - 1)]
        profile = Path(fleet.work) / f"profile-{count}.yaml"
        profile.write_text(policy.profile_with_fields(names))
        more = (("profile", str(profile)), ("hide", ("phone", *names)))
        points.append(point(count, fleet, tools, seconds, Setting(more=more), origin.MID, 16))
    return Curve("rules", "masking rules, JSON of 58 KB", "us of CPU a request", points)


def sizes(fleet, tools, seconds):
    """Masked JSON of any length, from an app that makes it as it sends it."""
    app, port = origin.start_endless(fleet.work)
    fleet.guests.append(app)
    instance = fleet.get("deskgate", Setting(origin=port))
    small = [Point(n, lambda n=n: cost(tools, instance, f"{origin.MID}?bytes={n}", seconds, 4) * 1000 / n) for n in (10**3, 10**4, 10**5, 10**6)]
    large = [Point(n, lambda n=n: nanoseconds_a_byte(instance, n), rounds=2 if n < 10**9 else 1) for n in (10**7, 10**8, 10**9)]
    return Curve("sizes", "bytes of a masked JSON answer", "ns of CPU a byte", small + large)


def nanoseconds_a_byte(instance, size):
    before = instance.started.cpu()
    length = memory.length_of(f"{instance.url}{origin.MID}?bytes={size}")
    return (instance.started.cpu() - before) / length


def connections(fleet, tools, seconds):
    setting = Setting()
    points = [point(n, fleet, tools, seconds, setting, connections=n) for n in (1, 10, 100, 1_000, most_connections())]
    return Curve("connections", "busy connections", "us of CPU a request", points)


def most_connections():
    """Ten thousand, or what the machine lets a proxy open: each that is busy has one to the app besides."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(10_000, (files - 1_000) // 2)


def cores(fleet, tools, seconds):
    """With two, the app and the load share one of them: what is shown is that two threads cost no more than one."""
    one = Setting()
    both = Setting(cores=f"{LOAD_CORE},{PROXY_CORE}", threads=2)
    points = [point(1, fleet, tools, seconds, one), point(2, fleet, tools, seconds, both)]
    points[1].note = "the app and the load on the first"
    return Curve("cores", "threads, each a core", "us of CPU a request", points)
