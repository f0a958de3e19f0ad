"""Makes new connections from several threads until standard input ends, and counts those that failed.

usage: new-connections.py HOST PORT THREADS
"""
import json, socket, sys, threading, time

host, port, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
stop = threading.Event()
lock = threading.Lock()
counts = {"made": 0, "failed": 0, "slowest_ms": 0, "faults": {}}


def once():
    with socket.create_connection((host, port), 15) as s:
        s.settimeout(15)
        s.sendall(b"GET / HTTP/1.1\r\nHost: %s:%d\r\nConnection: close\r\n\r\n" % (host.encode(), port))
        answer = b""
        while True:
            piece = s.recv(65536)
            if not piece:
                break
            answer += piece
        if not answer.startswith(b"HTTP/1.1 200"):
            raise OSError("answer: %r" % answer[:60])


def work():
    while not stop.is_set():
        began = time.monotonic()
        fault = None
        try:
            once()
        except OSError as error:
            fault = repr(error)
        took = int((time.monotonic() - began) * 1000)
        with lock:
            counts["made"] += 1
            counts["slowest_ms"] = max(counts["slowest_ms"], took)
            if fault is not None:
                counts["failed"] += 1
                counts["faults"][fault] = counts["faults"].get(fault, 0) + 1
            if counts["made"] == 50:
                print("under load", flush=True)


running = [threading.Thread(target=work) for _ in range(threads)]
for one in running:
    one.start()
sys.stdin.read()
stop.set()
for one in running:
    one.join()
print(json.dumps(counts), flush=True)
