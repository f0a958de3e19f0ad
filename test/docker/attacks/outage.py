# While parts of the boundary are not there. See attacker.py.

import select

#: Here it counts how long the last one waits.
PATIENCE = LONGEST


def get(to, mark, port=80, **more):
    return http(to, port, mark, **more)


def get_tls(to, mark, port=443):
    return https(to, port, mark, name=to)


def send_tcp(to, port, mark):
    return raw_tcp(to, port, mark)


def look_up(name, mark):
    return socket.gethostbyname(name.replace("MARK", mark))


def datagram(to, port, mark):
    return udp(to, port, mark)


def question(to, mark):
    """Asks another resolver, as the C library would."""
    message = struct.pack(">HHHHHH", 1, 0x0100, 1, 0, 0, 0) + bytes([len(mark)]) + mark.encode() + b"\x09forbidden\x04test\0\0\x01\0\x01"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(11)
        datagrams.connect((to, 53))
        datagrams.send(message)
        return f"rcode {datagrams.recv(512)[3] & 15}"


def all_ways(to, mark):
    """Names, TCP, UDP and a raw packet to a forbidden place, all at once."""
    calls = [
        {"attack": "get", "to": to, "mark": mark},
        {"attack": "get", "to": "forbidden.test", "mark": mark},
        {"attack": "get_tls", "to": "forbidden.test", "mark": mark},
        {"attack": "look_up", "name": "MARK.forbidden.test", "mark": mark},
        {"attack": "send_tcp", "to": to, "port": 22, "mark": mark},
        {"attack": "send_tcp", "to": "9.9.9.9", "port": 53, "mark": mark},
        {"attack": "datagram", "to": to, "port": 9999, "mark": mark},
        {"attack": "question", "to": "9.9.9.9", "mark": mark},
        {"attack": "raw", "to": to, "mark": mark},
    ]
    said = several(calls)
    slowest = max(one["ms"] for one in said)
    return json.dumps({"slowest": slowest, "said": {f"{c['attack']} {c.get('to', '')}": s["said"] for c, s in zip(calls, said)}})


def raw(to, mark):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, 253) as packets:
        packets.sendto(mark.encode(), (to, 0))
        return "sent"


def keep_trying(to, mark, until, seconds=60):
    """All the ways again and again, from now until what is allowed answers."""
    deadline = time.monotonic() + seconds
    signal.alarm(seconds + 20)
    rounds = 0
    while time.monotonic() < deadline:
        rounds += 1
        for way in (lambda: raw_tcp(to, 80, mark), lambda: udp(to, 9999, mark), lambda: raw(to, mark), lambda: http(to, 80, mark)):
            try:
                way()
            except OSError:
                pass
        try:
            if https(until, 443, "mark-alive", name=until, timeout=2) == "200 reached":
                return f"{rounds} rounds"
        except OSError:
            time.sleep(0.02)
    return "never"


def allowed(to):
    return https(to, 443, "mark-alive", name=to)


def ports():
    found = []
    for name, state in (("tcp", "0A"), ("udp", "07")):
        with open(f"/proc/net/{name}", encoding="ascii") as lines:
            rows = [line.split() for line in list(lines)[1:]]
        found.append([int(row[1].split(":")[1], 16) for row in rows if row[3] == state])
    return json.dumps(found)


TAKEN = []


def take_ports(tcp_port, udp_port):
    """Listens on what were the gate's ports. TCP's is kept by the kernel for a minute where it was in use."""
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("0.0.0.0", udp_port))
    TAKEN.append(datagrams)
    stream = socket.socket()
    try:
        stream.bind(("0.0.0.0", tcp_port))
        stream.listen(64)
        TAKEN.append(stream)
    except OSError:
        stream.close()
    return "taken"


def taken_hears():
    """Whether anything comes to the ports that were taken."""
    return "something" if select.select(TAKEN, [], [], 0.5)[0] else "nothing"
