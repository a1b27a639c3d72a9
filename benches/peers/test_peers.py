"""The parts that need no proxy: `python3 -m unittest discover benches/peers`."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree
from pathlib import Path

import chart
import corpus
import endless
import figures
import growth
import load
import policy
import report
import run
import speeds
import targets
from peers import PEERS
from workloads import APART, WORKLOADS


def row(cpu, **more):
    return {"cpu": cpu, "rate": [1000.0] * len(cpu), "busy": [0.9] * len(cpu), "p50": [], "p99": [], "problem": None, **more}


def a_run():
    """What a run finds, made up: Deskgate at 1.2 times bare Pingora, a peer that fails, one without latency."""
    small = {"name": "small", "told": "JSON", "base": "bare", "masked": False, "fixed_rate": 700.0, "peers": {
        "bare": row([10.0, 20.0, 30.0], p50=[1.0, 1.0, 1.0], p99=[2.0, 2.0, 4.0]),
        "nginx-own": row([20.0, 40.0, 60.0], too_slow=True),
        "envoy": row([], problem="answered with 500 | not 200"),
        "deskgate": row([12.0, 24.0, 36.0], p50=[1.0, 1.0, 1.0], p99=[2.0, 2.2, 4.0])}}
    memory = {"rows": [{"what": "an upload", "kib": 100, "note": ""}, {"what": "an answer", "kib": 300.0, "note": ""}]}
    idle = {"connections": 10, "peers": {"bare": {"before": {"pss": 1, "rss": 1}, "after": {"pss": 101, "rss": 1}, "added": 100, "problem": None},
                                         "deskgate": {"before": {"pss": 1, "rss": 1}, "after": {"pss": 131, "rss": 1}, "added": 130, "problem": None},
                                         "haproxy": {"problem": "left out"}}}
    reload = {"still": [1.0, 2.0], "reloading": [1.1, 2.2], "lost": 0, "requests": 1000, "reloads": 3, "rate": 500.0}
    fast = {name: [3.2, 3.0, 3.4] for name in ("json.by_key", "json.by_path", "csv.by_column")}
    fast |= {name: [1.5, 1.6, 1.7] for name in ("json.peer_simd_json", "csv.peer_csv", "html.list", "html.peer_lol_html_list")}
    facts = {"machine": {"cores": 2}, "versions": {"nginx": "1"}, "rounds": 3, "seconds": 1, "missing": {"envoy": "no network"}, "date": "today"}
    return {"facts": facts, "workloads": [small], "apart": {"idle": idle, "memory": memory, "reload": reload, "speeds": {"speeds": fast}}}


def a_growth():
    points = [{"x": 10, "label": "10", "values": [10.0, 20.0], "note": ""}, {"x": 1000, "label": "1k", "values": [15.0, 22.0], "note": ""}]
    curve = {"name": "addresses", "told": "entries", "unit": "us", "limit": 1.2, "points": points}
    return {"facts": a_run()["facts"], "curves": [curve, {**curve, "name": "cores", "limit": None},
                                                  {**curve, "name": "sizes", "limit": None, "points": [], "problem": "it ended"}]}


class Figures(unittest.TestCase):
    def test_ratios_are_of_the_same_round(self):
        self.assertEqual(figures.ratio([12.0, 24.0, 100.0], [10.0, 20.0, 30.0]), 1.2)

    def test_rounds_without_a_value_do_not_count(self):
        self.assertEqual(figures.ratios([1.0, None, 3.0], [1.0, 1.0, None]), [1.0])
        self.assertIsNone(figures.ratio([], [1.0]))
        self.assertIsNone(figures.median([]))


class Reading(unittest.TestCase):
    WRK = "  1200 requests in 3.00s, 9.00MB read\n{}Requests/sec:    400.00\nTransfer/sec:  3.00MB\n"

    def test_wrk(self):
        self.assertEqual(load.read_wrk(self.WRK.format("")), load.Load(1200, 400.0, 0))

    def test_wrk_counts_what_is_wrong(self):
        out = self.WRK.format("  Socket errors: connect 1, read 2, write 0, timeout 3\n  Non-2xx or 3xx responses: 7\n")
        self.assertEqual(load.read_wrk(out).wrong, 13)

    def test_refusals_are_right_where_they_are_asked_for(self):
        out = self.WRK.format("  Non-2xx or 3xx responses: 1200\n")
        self.assertEqual(load.read_wrk(out, refused=True).wrong, 0)
        self.assertEqual(load.read_wrk(self.WRK.format(""), refused=True).wrong, 1200)

    def test_h2load(self):
        out = "finished in 2.00s, 1000.50 req/s, 2MB/s\nrequests: 2010 total, 2010 started, 2001 done, 2001 succeeded, 9 failed, 9 errored, 0 timeout\n" \
              "status codes: 2001 2xx, 0 3xx, 1 4xx, 0 5xx\n"
        self.assertEqual(load.read_h2load(out), load.Load(2001, 1000.5, 1))

    def test_oha(self):
        out = {"latencyPercentiles": {"p50": 0.001, "p99": 0.004}, "summary": {"requestsPerSec": 99.0},
               "statusCodeDistribution": {"200": 98, "502": 1}, "errorDistribution": {"aborted due to deadline": 5, "connection closed": 2}}
        taken = load.read_oha(out, 100)
        self.assertEqual((taken.p99, taken.requests, taken.lost), (4.0, 99, 3))

    def test_divan(self):
        out = """Timer precision: 20 ns
rewrite                 fastest       │ slowest       │ median        │ mean          │ samples │ iters
├─ memcpy               18.89 µs      │ 52.34 µs      │ 19.05 µs      │ 21.44 µs      │ 30      │ 30
│                       62.92 GB/s    │ 22.71 GB/s    │ 62.4 GB/s     │ 55.44 GB/s    │         │
├─ csv                                │               │               │               │         │
│  ╰─ by_column         279.4 µs      │ 4.025 ms      │ 283.5 µs      │ 494.5 µs      │ 30      │ 30
│                       4.993 GB/s    │ 346.6 MB/s    │ 4.922 GB/s    │ 2.821 GB/s    │         │
╰─ text                               │               │               │               │         │
   ╰─ peer_regex        1.474 ms      │ 1.568 ms      │ 1.494 ms      │ 1.501 ms      │ 30      │ 30
                        678.4 MB/s    │ 637.4 MB/s    │ 669.1 MB/s    │ 665.8 MB/s    │         │
"""
        self.assertEqual(speeds.read(out), {"memcpy": 62.4, "csv.by_column": 4.922, "text.peer_regex": 669.1 * 1e-3})


class Bodies(unittest.TestCase):
    def test_sizes_are_those_of_the_documentation(self):
        self.assertEqual([len(b) for b in (corpus.small(), corpus.mid(), corpus.big(), corpus.page())], [749, 58_673, 1_189_055, 46_693])

    def test_masks_leave_nothing_of_anybody(self):
        masked = corpus.masked_by_deskgate(corpus.mid())
        self.assertNotIn(b"user1@", masked)
        self.assertNotIn(b"+1-555-", masked)
        page = corpus.masked_page()
        for value in (*corpus.PAGE_MAILS, *corpus.PAGE_PHONES):
            self.assertIn(value.encode(), corpus.page())
            self.assertNotIn(value.encode(), page)

    def test_digits_are_hidden_in_values_of_two_names_only(self):
        self.assertEqual(corpus.digits_hidden({"phone": "1a", "id": "1", "more": [{"email": "2"}]}), {"phone": "Xa", "id": "1", "more": [{"email": "X"}]})

    def test_endless_bodies_have_the_length_they_announce(self):
        for path, size in ((b"/api/customers", 1000), (b"/api/customers", 3_000_000), (b"/export.csv", 1000), (b"/export.csv", 3_000_000)):
            length, kind, body = endless.pieces(path, size)
            body = b"".join(body)
            self.assertEqual(length, len(body))
            if kind == b"application/json":
                json.loads(body)
            else:
                self.assertTrue(body.endswith(b",open\n"))


class Policies(unittest.TestCase):
    PLACE = {"port": 8080, "admin": 9900, "origin": 8081, "work": "/tmp/peers"}

    def test_a_control_that_the_demo_has_no_more_stops_the_run(self):
        with self.assertRaises(ValueError):
            policy.block("policy: 1\n", "masking", "masking: []")
        with self.assertRaises(ValueError):
            policy.swap("a b a", "a", "c")

    def test_every_control_of_the_demo_stays(self):
        text = policy.policy(**self.PLACE)
        for line in policy.DEMO.read_text().splitlines():
            if line and line[0].isalpha():
                self.assertIn("\n" + line.split(":")[0] + ":", "\n" + text)

    @unittest.skipUnless(os.environ.get("DESKGATE"), "DESKGATE names no program")
    def test_deskgate_takes_them(self):
        with tempfile.TemporaryDirectory() as work:
            fields = [f"field_{i}" for i in range(20)]
            profile = Path(work, "profile.yaml")
            profile.write_text(policy.profile_with_fields(fields))
            kinds = [{}, {"wire": "h2c"}, {"find": "everywhere"}, {"routes": ("/plugins/p1/{id}/view",)}, {"rate": 5},
                     {"profile": str(profile), "hide": ("phone", *fields)}]
            for number, kind in enumerate(kinds):
                path = Path(work, f"{number}.yaml")
                path.write_text(policy.policy(**self.PLACE, **kind))
                checked = subprocess.run([os.environ["DESKGATE"], "check", str(path)], capture_output=True, text=True)
                self.assertEqual(checked.returncode, 0, f"{kind}: {checked.stdout}{checked.stderr}")


class Reports(unittest.TestCase):
    def test_targets_are_judged(self):
        found = {(v.what, v.target): v.holds for v in targets.verdicts(a_run(), a_growth())}
        self.assertIs(found["CPU per request, small, route without masking", "at most 1.1x bare Pingora"], False)
        self.assertIs(found["the same", "at most 1x nginx with allow/deny, limit_req, JSON access log"], True)
        self.assertIs(found["the same", "at least 12x less than nginx + Lua"], None)
        self.assertIs(found["p99 at 70 % load, small", "at most 1.15x bare Pingora"], True)
        self.assertIs(found["memory of 10,000 idle keep-alive connections", "at most 1.2x bare Pingora"], False)
        self.assertIs(found["memory: an upload", "at most 256 KiB"], True)
        self.assertIs(found["memory: an answer", "at most 256 KiB"], False)
        self.assertIs(found["reload under load: p99", "at most 1.2x itself without reload"], True)
        self.assertIs(found["reload under load: requests lost", "none"], True)
        self.assertIs(found["JSON mask, key rules, no value to hide", "at least 3 GB/s a core"], True)
        self.assertIs(found["text detectors, a list of tickets", "at least 1 GB/s a core"], None)
        self.assertIs(found["growth: entries, 10 to 1k", "at most 1.2x itself at the small end"], False)

    def test_what_was_not_finished_says_so(self):
        found = a_run()
        self.assertNotIn("was not finished", report.markdown(found, None))
        found["facts"] |= {"unfinished": True, "machine": {"busy when it began": "37%"}}
        self.assertIn("was not finished", report.markdown(found, None))
        self.assertIn("kept the machine busy", report.markdown(found, None))

    def test_too_few_rounds_tell_nothing(self):
        found = a_run()
        for row in found["workloads"][0]["peers"].values():
            row["cpu"] = row["cpu"][:2]
        table = report.targets_table(targets.verdicts(found))
        self.assertIn("| 1.20x | too few rounds to tell |", table)
        self.assertIn("| 1.00x (1.00 to 1.10) | holds |", table)

    def test_what_deskgate_does_not_do_fails_the_run(self):
        found = a_run()
        self.assertEqual(report.failures(found), [])
        found["workloads"][0]["peers"]["deskgate"]["problem"] = "answered with 500"
        found["apart"]["reload"] = {"problem": "oha: not installed"}
        self.assertEqual(report.failures(found), ["small, deskgate: answered with 500", "reload: oha: not installed"])

    def test_a_run_of_nothing_judges_nothing(self):
        nothing = {"facts": a_run()["facts"], "workloads": [], "apart": {}}
        self.assertTrue(all(v.holds is None for v in targets.verdicts(nothing)))

    def test_tables_are_whole(self):
        text = report.markdown(a_run(), a_growth()) + report.growth_markdown(a_growth())
        self.assertIn("| **Deskgate** | 24.0 (12.0 to 36.0) | 1.20 |", text)
        self.assertIn("does not do the job: answered with 500 / not 200", text)
        self.assertIn("too slow for this rate", text)
        self.assertIn("| JSON mask, key rules, no value to hide | 3.20 (3.00 to 3.40) | 2.00 (1.88 to 2.13) | simd-json's tape |", text)
        self.assertIn("left out: envoy: no network", text)
        self.assertIn("Not measured: it ended", text)
        widths = set()
        for line in text.splitlines():
            if line.startswith("|---"):
                widths = {line.count("|")}
            elif line.startswith("|") and widths:
                self.assertEqual({line.count("|")}, widths, line)
            else:
                widths = set()

    def test_charts_are_well_formed(self):
        for drawn in (chart.bars(a_run()["workloads"]), chart.bars([]), chart.lines(a_growth()["curves"]), chart.lines([])):
            xml.etree.ElementTree.fromstring(drawn)

    def test_everything_is_written(self):
        with tempfile.TemporaryDirectory() as out:
            report.write_growth(a_growth(), Path(out))
            report.write(a_run(), Path(out))
            self.assertEqual({p.name for p in Path(out).iterdir()},
                             {"report.md", "report.json", "peers.svg", "growth.md", "growth.json", "growth.svg"})


class Arguments(unittest.TestCase):
    """What cannot be is refused before anything is built, in one line that names it."""

    def refused(self, *arguments, **environment):
        run_py = Path(run.__file__)
        done = subprocess.run([sys.executable, run_py, *arguments], env={**os.environ, **environment}, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=20)
        self.assertEqual(done.returncode, 2, done.stderr)
        return done.stderr.strip().splitlines()[-1]

    def test_what_cannot_be(self):
        with tempfile.TemporaryDirectory() as place:
            for arguments, environment, told in (
                (["--rounds", "0"], {}, "0 is not 1 or more"),
                (["--seconds", "-3"], {}, "-3 is not 1 or more"),
                (["--growth", "--only", "small"], {}, "not together with --only"),
                (["--out", "/dev/null/x"], {}, "--out /dev/null/x: Not a directory"),
                (["--out", place], {"DESKGATE": "/does/not/exist"}, "DESKGATE=/does/not/exist: no such program"),
                (["--out", place], {"DESKGATE": "/bin/true", "BARE": ""}, "BARE=: no such program"),
            ):
                self.assertIn(told, self.refused(*arguments, **environment))


class Programs(unittest.TestCase):
    def test_none_is_left_behind_whenever_the_run_is_ended(self):
        """A signal in the middle of a start is served once the program is known."""
        script = """
import os, signal, subprocess, sys, processes
began = subprocess.Popen
def interrupted(*words, **more):
    child = began(*words, **more)
    os.kill(os.getpid(), signal.SIGINT)
    return child
processes.subprocess.Popen = interrupted
try:
    processes.Started(["sleep", "60"], 0, sys.argv[1])
except KeyboardInterrupt:
    pids = [one.pid for one in processes.RUNNING]
    processes.stop_all()
    print(len(pids), len(processes.RUNNING), *(os.path.exists(f"/proc/{pid}") for pid in pids))
"""
        with tempfile.TemporaryDirectory() as work:
            done = subprocess.run([sys.executable, "-c", script, Path(work, "log")], cwd=Path(run.__file__).parent, capture_output=True, text=True)
        self.assertEqual((done.stdout, done.stderr), ("1 0 False\n", ""))


class Names(unittest.TestCase):
    def test_workloads_name_peers_that_there_are(self):
        for workload in WORKLOADS.values():
            self.assertLessEqual({*workload.peers, *workload.latency, workload.base}, set(PEERS))
        self.assertFalse(set(WORKLOADS) & set(APART))

    def test_the_command_line_knows_them(self):
        self.assertEqual(run.names(PEERS)("bare,deskgate"), ["bare", "deskgate"])
        with self.assertRaises(run.argparse.ArgumentTypeError):
            run.names(PEERS)("bear")

    def test_numbers_on_a_curve_are_short(self):
        self.assertEqual([growth.short(n) for n in (1, 100, 1_000, 1_500, 10_000, 42_763, 10**6, 10**9)],
                         ["1", "100", "1k", "1.5k", "10k", "42,763", "1M", "1G"])


class Trained(unittest.TestCase):
    """benches/pgo, but for its two builds."""

    def test_what_it_serves_is_there(self):
        told = subprocess.run([Path(__file__).parents[1] / "pgo/run", "--help"], capture_output=True, text=True)
        self.assertIn("profile-guided", told.stdout)
        sys.path.insert(0, str(Path(__file__).parents[1] / "pgo"))
        import build
        self.assertLessEqual(set(build.TRAINED), set(WORKLOADS))
        self.assertLessEqual(set(build.PEERS), set(PEERS))

if __name__ == "__main__":
    unittest.main()
