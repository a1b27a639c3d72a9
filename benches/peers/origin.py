"""The app behind the proxies: nginx with files, and a program of its own for bodies that no disk should hold."""
import sys
from pathlib import Path

import corpus
from processes import LOAD_CORE, Started, free_port

HERE = Path(__file__).resolve().parent

# Where each body is. The paths are routes of the profile `tinydesk`, so that Deskgate takes them for what they are.
SMALL = "/agent/tickets/7"
MID = "/api/customers"
BIG = "/api/tickets"
PAGE = "/agent/customers/3"
EXPORT = "/agent/customers/export.csv"
ATTACHMENT = "/files/0123456789abcdef/scan.pdf"
REPLY = "/agent/tickets/1003/reply"
LOGIN = "/login"


def fill(www):
    """Writes the files that nginx serves."""
    bodies = {SMALL: corpus.small(), MID: corpus.mid(), BIG: corpus.big(), PAGE: corpus.page(), EXPORT: corpus.export(),
              ATTACHMENT: corpus.attachment()}
    for path, body in bodies.items():
        file = Path(www) / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)


def fill_template(name, work, **values):
    """Writes a configuration to the work directory, its placeholders filled in, and returns where."""
    text = (HERE / "configurations" / name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    path = Path(work) / name
    path.write_text(text)
    return path


def start(tools, work):
    """nginx as the app, on the core of the load. Returns it and its port."""
    work = Path(work) / "origin"
    work.mkdir(parents=True)
    fill(work / "www")
    port = free_port()
    conf = fill_template("origin.conf", work, PORT=port, WORK=work, WWW=work / "www")
    return Started([tools["nginx"], "-c", conf], LOAD_CORE, work / "log").wait_for(port), port


def start_endless(work):
    """The app that makes its bodies as it sends them (endless.py), on the core of the load."""
    port = free_port()
    command = [sys.executable, HERE / "endless.py", str(port)]
    return Started(command, LOAD_CORE, Path(work) / "endless.log").wait_for(port), port
