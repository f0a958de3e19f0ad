"""
Runs attacks in a workspace: a call as JSON on each line of standard input, `{"attack": NAME, ...arguments}`, and what
came of it on a line of standard output: `{"said": WORD, "ms": NUMBER}`. Attacks are the functions behind this one.

`said` is what the attacker got: the name of an error (EPERM), `silence`, `sent` where nothing can come back, else what
was answered.
"""

import array
import base64
import ctypes
import errno
import json
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time

LONGEST = 14
#: Above what an honest client waits for an answer that comes at all.
PATIENCE = 0.8


class Overdue(Exception):
    """The attack hung."""


def overdue(*_):
    raise Overdue


def error_word(error):
    if isinstance(error, (TimeoutError, socket.timeout)):
        return "silence"
    if isinstance(error, socket.gaierror):
        return "no such name"
    if isinstance(error, ssl.SSLError):
        return f"tls: {error.reason}"
    return errno.errorcode.get(error.errno, str(error))


def tcp(to, port, timeout=LONGEST, family=socket.AF_INET, protocol=0):
    if family == socket.AF_INET and protocol == 0 and not to[:1].isdigit():
        return socket.create_connection((to, port), timeout)
    connection = socket.socket(family, socket.SOCK_STREAM, protocol)
    connection.settimeout(timeout)
    connection.connect((to, port))
    return connection


def listen_to(connection, most=65536):
    """What comes until the other side ends, or is silent."""
    connection.settimeout(PATIENCE)
    heard = b""
    try:
        while len(heard) < most:
            piece = connection.recv(65536)
            if not piece:
                break
            heard += piece
            # An echo, which is the end of what there is to hear.
            if heard[:5] != b"HTTP/" and b"mark-" in heard:
                break
    except (TimeoutError, socket.timeout, ConnectionResetError):
        if not heard:
            raise
    return heard


def word(heard):
    """An HTTP answer's status, else the beginning of what was said."""
    if heard[:5] == b"HTTP/":
        status = heard.split(b" ", 2)[1].decode()
        return f"{status} reached" if b"\r\n\r\nreached " in heard else status
    if not heard:
        return "closed"
    return "reached" if b"reached" in heard or b"mark-" in heard else ascii(heard[:40].decode("latin1"))


def authority(host, port):
    return host if port in (80, 443) else f"{host}:{port}"


def request(host, mark, path="/", method="GET", more=""):
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nX-Mark: {mark}\r\n{more}Connection: close\r\n\r\n".encode()


def http(to, port, mark, host=None, path="/", method="GET", more="", family=socket.AF_INET, timeout=LONGEST):
    with tcp(to, port, timeout=timeout, family=family) as connection:
        connection.sendall(request(host or authority(to, port), mark, path, method, more))
        return word(listen_to(connection))


def https(to, port, mark, name=None, host=None, path="/", timeout=LONGEST):
    """Trusts whoever answers, as an attacker does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with tcp(to, port, timeout=timeout) as plain:
        with context.wrap_socket(plain, server_hostname=name) as connection:
            connection.sendall(request(host or authority(name or to, port), mark, path))
            return word(listen_to(connection))


def raw_tcp(to, port, mark, family=socket.AF_INET):
    with tcp(to, port, family=family) as connection:
        connection.sendall(mark.encode() + b"\n")
        return word(listen_to(connection))


def udp(to, port, mark, family=socket.AF_INET, size=0, protocol=0):
    with socket.socket(family, socket.SOCK_DGRAM, protocol) as datagrams:
        datagrams.settimeout(PATIENCE)
        datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        datagrams.sendto(mark.encode().ljust(size, b"."), (to, port))
        return word(datagrams.recv(65536))


def shell(command, timeout=LONGEST):
    """The last line that a command says."""
    try:
        done = subprocess.run(
            ["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        return "silence"
    said = (done.stdout + done.stderr).strip().split("\n")[-1][:200]
    return f"{done.returncode}: {said}" if said else str(done.returncode)


def several(calls):
    """Runs attacks beside each other, each in a process of its own, and tells what each said."""
    running = []
    for call in calls:
        here, there = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(here)
            os.write(there, json.dumps(outcome(dict(call))).encode())
            os._exit(0)
        os.close(there)
        running.append((child, here))
    said = []
    for child, pipe in running:
        with os.fdopen(pipe) as answer:
            said.append(json.loads(answer.read()))
        os.waitpid(child, 0)
    return said


def outcome(call):
    started = time.monotonic()
    # Long enough for what waits for a sidecar that is not there, which is 10 s.
    signal.alarm(90)
    try:
        said = ATTACKS[call.pop("attack")](**call)
    except Overdue:
        said = "hung"
    except OSError as error:
        said = error_word(error)
    except Exception as error:  # The attacker fails, and the next attack is to be tried nevertheless.
        said = f"failed: {error!r}"
    finally:
        signal.alarm(0)
    return {"said": said, "ms": round((time.monotonic() - started) * 1000)}


def attend(attacks):
    ATTACKS.update({name: run for name, run in attacks.items() if callable(run)})
    signal.signal(signal.SIGALRM, overdue)
    print(json.dumps({"said": "ready"}), flush=True)
    for line in sys.stdin:
        print(json.dumps(outcome(json.loads(line))), flush=True)


ATTACKS = {}
