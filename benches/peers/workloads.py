"""What is sent through the proxies: each workload, and the proxies for which it makes sense."""
from dataclasses import dataclass

import corpus
import load
import origin
from peers import CLOSED, Setting

PLAIN = ("bare", "haproxy", "nginx", "envoy")
GUARDED = ("nginx-own", "nginx-lua", "envoy-lua")


@dataclass(frozen=True)
class Workload:
    """One row of the report. `body` is what the app answers; `masked` says that proxies which mask must change it."""
    name: str
    told: str
    peers: tuple
    path: str
    body: object = None             # () -> bytes, or nothing where the answer's head is all that counts
    masked: bool = False
    status: int = 200
    post: object = None             # () -> bytes
    post_type: str = ""
    cookie: str = load.COOKIE
    connections: int = 64           # few where an answer takes long: what is half done when the time is over costs, and is not counted
    setting: Setting = Setting()
    latency: tuple = ()             # the peers whose latency at a fixed rate is measured too
    way: str = "wrk"                # or h2, full, resumed
    base: str = "bare"              # what ratios are to
    accepts: str = ""               # codings that the client takes; "" is what load generators say, nothing
    slow: bool = False              # whether a request takes so long that rounds must be longer, and are fewer
    by_name: bool = True            # whether the profile knows by name where something is to be masked

    def run(self, tools, instance, seconds, work):
        """Load on one instance for some seconds."""
        url = instance.url + self.path
        if self.way == "h2":
            return load.h2load(tools, url, seconds)
        if self.way in ("full", "resumed"):
            return load.handshakes(instance.port, seconds, self.way == "resumed")
        script = load.posting(work, self.post(), self.post_type, self.cookie) if self.post else None
        return load.wrk(tools, url, seconds, self.connections, refused=self.status >= 400, script=script, accepts=self.accepts)


WORKLOADS = {w.name: w for w in (
    Workload("small", "JSON, 749 B, on a route without masking", (*PLAIN, "pingap", *GUARDED, "deskgate"), origin.SMALL, corpus.small,
             latency=(*PLAIN, "nginx-own", "deskgate")),
    Workload("mid", "JSON, 58,673 B, phone and email masked", ("bare", "pingap", "haproxy", "nginx", "nginx-lua", "envoy-lua", "deskgate", "everywhere"),
             origin.MID, corpus.mid, masked=True, connections=16, latency=("bare", "deskgate")),
    Workload("mid-coded", "the same to a client that takes compressed answers, as browsers do", ("bare", "deskgate", "everywhere"),
             origin.MID, corpus.mid, masked=True, connections=16, accepts="gzip, deflate, br, zstd"),
    Workload("big", "JSON, 1,189,055 B, phone and email masked", ("bare", "nginx", "nginx-lua", "envoy-lua", "deskgate", "everywhere"),
             origin.BIG, corpus.big, masked=True, connections=2, slow=True),
    Workload("html", "a ticket's page of django-helpdesk, 46,693 B, masked", ("bare", "deskgate", "everywhere"),
             origin.PAGE, corpus.page, masked=True, connections=16, latency=("bare", "everywhere"), by_name=False),
    Workload("csv", "a CSV export of 5 MB, phone and email masked", ("bare", "deskgate", "everywhere"),
             origin.EXPORT, corpus.export, masked=True, connections=1, slow=True),
    Workload("attachment", "an attachment of 5 MB", (*PLAIN, "pingap", "nginx-own", "deskgate"), origin.ATTACHMENT, corpus.attachment,
             connections=4, slow=True),
    Workload("upload", "an upload of 5 MB; Deskgate inspects and hashes it", ("bare", "nginx", "envoy", "deskgate"), origin.REPLY,
             post=corpus.form, post_type=corpus.FORM_TYPE, connections=4, slow=True),
    Workload("login", "a sign-in; Deskgate stores the session on disk first", ("bare", "nginx-own", "deskgate"), origin.LOGIN, status=302,
             post=lambda: b"user=user%d&password=correct+horse", post_type="application/x-www-form-urlencoded", cookie="", connections=16),
    Workload("refused", "a request from an address that is not on the list: 403", ("nginx-own", "nginx-lua", "envoy-lua", "deskgate"),
             origin.SMALL, status=403, setting=Setting(allowed=CLOSED), base="nginx-own"),
    Workload("tls-full", "a connection with a full TLS handshake, and one request", (*PLAIN, "deskgate"), origin.SMALL,
             corpus.small, setting=Setting(wire="tls"), way="full"),
    Workload("tls-resumed", "a connection with a resumed TLS session, and one request", (*PLAIN, "deskgate"), origin.SMALL,
             corpus.small, setting=Setting(wire="tls"), way="resumed"),
    Workload("h2", "HTTP/2, 2 connections with 100 streams, 749 B", (*PLAIN, "deskgate"), origin.SMALL, corpus.small,
             setting=Setting(wire="h2c"), way="h2"),
)}
# Measured by modules of their own, not as requests a second.
APART = {
    "reload": "the policy is reloaded under load",
    "idle": "10,000 idle keep-alive connections",
    "speeds": "the rewriters by themselves, and what others use for a part of it",
    "memory": "memory of masked answers of 1 GiB and of uploads of 20 MB",
}
