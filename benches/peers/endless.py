"""`endless.py PORT`: an app that answers bodies of any length and takes any, and holds neither in memory nor on disk.

`GET /api/customers?bytes=N` answers about N bytes of JSON, `GET /agent/customers/export.csv?bytes=N` as much CSV.
"""
import re
import socket
import sys
import threading

import corpus

WHO = b'{"user":"amir","groups":["agents"]}'


def pieces(path, size):
    """Length, type and an iterator of the body that a path asks for."""
    if path.startswith(b"/api/"):
        block = b"," + b",".join(re.findall(rb'\{"id": \d+, "name".*?\]\}(?=, \{"id": \d+, "name"|\]\}$)', corpus.customers(1400)))
        begin, end, kind = b'{"results": [{"id": 0}', b"]}", b"application/json"
    else:
        block, begin, end, kind = corpus.rows(20_000), corpus.CSV_NAMES, b"", b"text/csv"
    times = max(1, round(size / len(block))) if size >= len(block) else 0
    rest = b"" if times else block[:block.rfind(b"\n" if kind == b"text/csv" else b',{"id"', 0, max(size, 1000)) + (kind == b"text/csv")]

    def body():
        yield begin + rest
        for _ in range(times):
            yield block
        yield end
    return len(begin) + len(rest) + times * len(block) + len(end), kind, body()


def answer(stream, path):
    size = re.search(rb"bytes=(\d+)", path)
    length, kind, body = pieces(path, int(size[1])) if size else (len(WHO), b"application/json", [WHO])
    stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (kind, length))
    for piece in body:
        stream.sendall(piece)


def serve(stream):
    """Requests of one connection, each with its body read to the end and thrown away."""
    buffer = memoryview(bytearray(1 << 20))
    with stream:
        while True:
            head = b""
            while b"\r\n\r\n" not in head:
                piece = stream.recv(65536)
                if not piece:
                    return
                head += piece
            head, body = head.split(b"\r\n\r\n", 1)
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            left = (int(length[1]) if length else 0) - len(body)
            while left > 0:
                taken = stream.recv_into(buffer, min(left, len(buffer)))
                if not taken:
                    return
                left -= taken
            answer(stream, head.split(b" ", 2)[1])


def main():
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=512)
    while True:
        stream, _ = listener.accept()
        threading.Thread(target=serve, args=(stream,), daemon=True).start()


if __name__ == "__main__":
    main()
