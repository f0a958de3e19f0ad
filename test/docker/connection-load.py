"""Connections without pause, to a place that is allowed and to one that is not.

usage: connection-load.py ALLOWED_HOST:PORT FORBIDDEN_HOST:PORT THREADS

Each line on standard input is a mark; for each, `back SECONDS` is printed as soon as a connection to the allowed place
that was begun after the mark has had its whole answer. When standard input ends, the counts are printed as JSON: what
was made and what failed, and of the forbidden place how many connections had an answer of its own.
"""
import json, socket, sys, threading, time

allowed, forbidden = (argument.rsplit(":", 1) for argument in sys.argv[1:3])
stop = threading.Event()
lock = threading.Lock()
counts = {"made": 0, "failed": 0, "slowest_ms": 0, "faults": {}, "failed_at": [], "tried": 0, "answered": 0}
marks = []


def asked(place, body=b""):
    host, port = place
    head = "POST /secret HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (host, port, len(body))
    with socket.create_connection((host, int(port)), 30) as s:
        s.settimeout(30)
        s.sendall(head.encode() + body)
        answer = b""
        while piece := s.recv(65536):
            answer += piece
        return answer


def to_allowed():
    while not stop.is_set():
        began = time.monotonic()
        fault = None
        try:
            answer = asked(allowed)
            if not answer.endswith(b"from the allowed place\n"):
                fault = "answer: %r" % answer[-60:]
        except OSError as error:
            fault = repr(error)
        ended = time.monotonic()
        with lock:
            counts["made"] += 1
            counts["slowest_ms"] = max(counts["slowest_ms"], int((ended - began) * 1000))
            if fault is not None:
                counts["failed"] += 1
                counts["faults"][fault] = counts["faults"].get(fault, 0) + 1
                counts["failed_at"] = [*counts["failed_at"][:1], time.strftime("%H:%M:%S", time.gmtime()) + "Z"]
            else:
                for mark in [mark for mark in marks if began >= mark]:
                    marks.remove(mark)
                    print("back %.3f" % (ended - mark), flush=True)
            if counts["made"] == 50:
                print("under load", flush=True)


def to_forbidden():
    while not stop.is_set():
        try:
            answer = asked(forbidden, b"what must not get out\n")
        except OSError:
            answer = b""
        with lock:
            counts["tried"] += 1
            counts["answered"] += answer.endswith(b"from the forbidden place\n")


running = [threading.Thread(target=to_allowed) for _ in range(int(sys.argv[3]))]
running += [threading.Thread(target=to_forbidden) for _ in range(2)]
for one in running:
    one.start()
for _ in sys.stdin:
    with lock:
        marks.append(time.monotonic())
stop.set()
for one in running:
    one.join()
print(json.dumps(counts), flush=True)
