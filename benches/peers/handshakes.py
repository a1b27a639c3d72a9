"""`handshakes.py PORT SECONDS full|resumed`: TLS connections, a few at once, one request on each.

Prints JSON: how many there were, in what time, and how many were `wrong`: not answered with 200, resumed when a full
handshake was asked for, or the other way round.
"""
import json
import socket
import ssl
import sys
import threading
import time

# So that the proxy has always one to go on with: waking up for each would cost more than the handshake.
AT_ONCE = 8
REQUEST = (b"GET /agent/tickets/7 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n"
           b"Cookie: tinydesk=0123456789abcdef0123456789abcdef\r\n\r\n")


def connect(context, port, session):
    """One connection and its answer. Returns whether it was answered, whether resumed, and the session for the next:
    tickets of TLS 1.3 come with the answer, so that it is read first."""
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(plain, session=session) as stream:
            stream.sendall(REQUEST % port)
            answer = stream.recv(65536)
            try:
                while stream.recv(65536):
                    pass
            except (ssl.SSLError, ConnectionError):
                pass
            return answer.startswith(b"HTTP/1.1 200"), stream.session_reused, stream.session


def repeat(context, port, until, resumed, counts):
    """One connection after the other; adds how many there were, and how many wrong, to `counts`."""
    _, _, session = connect(context, port, None)
    connections, wrong = 0, 0
    while time.monotonic() < until:
        good, reused, newer = connect(context, port, session if resumed else None)
        session = newer or session
        connections += 1
        wrong += not good or reused != resumed
    counts.append((connections, wrong))


def main():
    port, seconds, resumed = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "resumed"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    counts, begun = [], time.monotonic()
    threads = [threading.Thread(target=repeat, args=(context, port, begun + seconds, resumed, counts)) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A thread that died has added nothing, and what it did is missing: all of it counts as wrong then.
    connections = sum(c for c, _ in counts)
    wrong = sum(w for _, w in counts) if len(counts) == AT_ONCE else connections
    # The first connection of each thread, which got it its session, costs the proxy too.
    print(json.dumps({"connections": connections + AT_ONCE, "seconds": time.monotonic() - begun, "wrong": wrong}))


if __name__ == "__main__":
    main()
