# Too much of everything. See attacker.py.

import resource

resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
HELD = []
#: The next client may have to wait for its turn.
PATIENCE = LONGEST


def hold(places, count, text=""):
    """Opens connections to the places in turn and keeps them, having said `text`; tells how many stood at the end."""
    addresses = [(socket.gethostbyname(host), port) for host, port in places]
    opened = 0
    for number in range(count):
        connection = socket.socket()
        connection.settimeout(3)
        try:
            connection.connect(addresses[number % len(addresses)])
            connection.sendall(text.encode("latin1"))
            HELD.append(connection)
            opened += 1
        except OSError:
            connection.close()
    return str(opened)


def still_open():
    """How many of those held the other side has not ended."""
    count = 0
    for connection in HELD:
        connection.setblocking(False)
        try:
            while connection.recv(65536):
                pass
        except BlockingIOError:
            count += 1
        except OSError:
            pass
    return str(count)


def release():
    for connection in HELD:
        connection.close()
    HELD.clear()
    return "released"


def ask_names(count, suffix):
    """Questions for as many names, as fast as they go out; answers are not waited for."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.connect(("198.18.0.53", 53))
        datagrams.setblocking(False)
        sent = 0
        for number in range(count):
            label = f"n{number}".encode()
            name = bytes([len(label)]) + label + b"".join(bytes([len(one)]) + one.encode() for one in suffix.split(".")) + b"\0"
            try:
                datagrams.send(struct.pack(">HHHHHH", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + name + b"\0\1\0\1")
                sent += 1
                while True:
                    datagrams.recv(512)
            except BlockingIOError:
                pass
    return str(sent)


def datagrams(count):
    """Datagrams that are no questions."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for _ in range(count):
            out.sendto(b"\0" * 1200, ("198.18.0.53", 53))
    return str(count)


def requests_denied(count):
    """Requests that are denied, one after the other on connections of their own."""
    done = 0
    for number in range(count):
        if http("45.79.3.1", 80, "mark-flood", path=f"/{number}") == "403":
            done += 1
    return str(done)


def allowed(to):
    return https(to, 443, "mark-alive", name=to)
