"""The bodies that go through the proxies, and what must come out of those that mask.

Everything is made from one seed, so that two runs on two machines move the same bytes.
"""
import functools
import json
import random
import re
from pathlib import Path

PAGE = Path(__file__).parent / "fixtures" / "ticket.html"
# What the page holds of people, all of it.
PAGE_MAILS = ("agent1@helpdesk.example", "agent2@helpdesk.example", "alice@customer.example",
              "second.contact0@partner.example")
PAGE_PHONES = ("+1 202 555 0101", "+1 202-555-0199", "(030) 555-1000")

MEGABYTE = 1_000_000
BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"


def _phone(chance):
    return f"+1-555-{chance.randint(1000000, 9999999)}"


def customer(number, chance):
    """One customer of a helpdesk: about 730 bytes, five values to mask in them."""
    return {
        "id": number,
        "name": f"Customer {number}",
        "email": f"user{number}@example.com",
        "phone": _phone(chance),
        "address": {"street": f"{number} Main St", "city": "Springfield", "zip": str(10000 + number)},
        "notes": "Lorem ipsum dolor sit amet, consectetur adipiscing elit. " * 3,
        "tags": ["vip", "eu"],
        "tickets": [
            {"id": number * 10 + j, "subject": "Cannot log in to my account", "status": "open",
             "requester": {"phone": _phone(chance)}}
            for j in range(3)
        ],
    }


@functools.cache
def customers(count):
    """A list of customers as an API answers it."""
    chance = random.Random(count)
    return json.dumps({"count": count, "results": [customer(i, chance) for i in range(count)]}).encode()


def small():
    return customers(1)


def mid():
    return customers(80)


def big():
    return customers(1600)


def page():
    return PAGE.read_bytes()


@functools.cache
def rows(count):
    """Rows of a CSV export, without the line of names."""
    chance = random.Random(2)
    lines = (f"{i},Customer {i},{_phone(chance)},user{i}@example.com,open\n" for i in range(count))
    return "".join(lines).encode()


CSV_NAMES = b"id,name,phone,email,status\n"


@functools.cache
def export(size=5 * MEGABYTE):
    """A CSV export of about `size` bytes."""
    return CSV_NAMES + rows(size // 63)


@functools.cache
def attachment(size=5 * MEGABYTE):
    """A file that nothing can compress, with the first bytes of a PDF."""
    return b"%PDF-1.7\n" + random.Random(3).randbytes(size - 9)


@functools.cache
def form(size=5 * MEGABYTE, begins=b"%PDF-1.7\n"):
    """A reply to a ticket with a file, as a browser sends it."""
    before = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="text"\r\n\r\nsee the file\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="scan.pdf"\r\n'
        "Content-Type: application/pdf\r\n\r\n"
    )
    return before.encode() + begins + attachment(size)[9:] + f"\r\n--{BOUNDARY}--\r\n".encode()


FORM_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


# --- what must come out ---------------------------------------------------------------------------

def masked_by_deskgate(body):
    """Every digit of a telephone number becomes an X, an address keeps one letter and the top domain."""
    body = re.sub(rb"\+1-555-\d{7}", b"+X-XXX-XXXXXXX", body)
    return re.sub(rb"u(ser\d+)@example\.com", b"u***@***.com", body)


def masked_page():
    """The page without what it holds of people."""
    body = page().decode()
    for mail in PAGE_MAILS:
        body = body.replace(mail, f"{mail[0]}***@***.{mail.rsplit('.', 1)[1]}")
    for phone in PAGE_PHONES:
        body = body.replace(phone, re.sub(r"\d", "X", phone))
    return body.encode()


def digits_hidden(value):
    """What the peers' Lua does: an X for every digit in the values of `phone` and `email`."""
    if isinstance(value, list):
        return [digits_hidden(v) for v in value]
    if isinstance(value, dict):
        return {k: re.sub(r"\d", "X", v) if k in ("phone", "email") and isinstance(v, str) else digits_hidden(v)
                for k, v in value.items()}
    return value


def first_difference(expected, came):
    """Where two bodies part, in few words: for the line that says why a peer is not counted."""
    if len(expected) != len(came):
        lengths = f"{len(came)} bytes instead of {len(expected)}"
    else:
        lengths = f"{len(came)} bytes"
    at = next((i for i, (a, b) in enumerate(zip(expected, came)) if a != b), min(len(expected), len(came)))
    return f"{lengths}, from byte {at}: {came[at:at + 40]!r} instead of {expected[at:at + 40]!r}"
