"""
The internet, as far as the escape tests know it: the default gateway of a network. Whatever is sent anywhere arrives
here, is counted by where it was going, and is answered: TCP on every port of every address (HTTP, TLS, WebSocket, ssh's
banner, else an echo), DNS, UDP echo.

Commands come as JSON, one a line, on standard input; each has one line of JSON as its answer. It ends with its input.
"""

import base64
import hashlib
import json
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading

SO_ORIGINAL_DST = 80
PACKET_OUTGOING = 4
ARP = 0x0806
#: What an attack puts into its bytes, so that they are known wherever they turn up. Names are caseless.
MARK = re.compile(rb"mark-[a-z0-9-]+", re.I)
#: IPv6 extension headers, and the neighbour discovery that every machine does by itself.
EXTENSIONS = (0, 43, 60)
NEIGHBOUR_DISCOVERY = range(130, 138)
MULTICAST_REPORT = 143
WEBSOCKET = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TYPES = {1: "A", 5: "CNAME", 28: "AAAA"}

arrivals = []
requests = []
#: Names in lower case; each has a list of answers, of which the last one stays. An answer is a list of [type, data].
zone = {}
own = set()
lock = threading.Lock()


def marks_in(octets):
    return sorted({mark.decode().lower() for mark in MARK.findall(octets)})


def note(source, to, protocol, port, count, marks):
    with lock:
        arrivals.append(
            {"from": source, "to": to, "protocol": protocol, "port": port, "bytes": count, "marks": marks}
        )


# ---- what arrives, whatever it is


def sniff():
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(0x0003))
    packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
    while True:
        frame, (interface, ethertype, kind, *_) = packets.recvfrom(65536)
        if kind == PACKET_OUTGOING or interface == "lo" or ethertype == ARP:
            continue
        body = frame[14:]
        if ethertype == 0x0800:
            read_ipv4(body)
        elif ethertype == 0x86DD:
            read_ipv6(body)
        else:
            source = ":".join(f"{octet:02x}" for octet in frame[6:12])
            note(source, "frame", f"ether-{ethertype:04x}", 0, len(body), marks_in(body))


def read_ipv4(packet):
    length, total = (packet[0] & 15) * 4, struct.unpack_from(">H", packet, 2)[0]
    read_transport(socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20]), packet[9], packet[length:total])


def read_ipv6(packet):
    protocol, at = packet[6], 40
    while protocol in EXTENSIONS and len(packet) > at + 8:
        protocol, at = packet[at], at + 8 + packet[at + 1] * 8
    body = packet[at : 40 + struct.unpack_from(">H", packet, 4)[0]]
    if protocol == 58 and body[:1] and (body[0] in NEIGHBOUR_DISCOVERY or body[0] == MULTICAST_REPORT):
        return
    ends = [socket.inet_ntop(socket.AF_INET6, packet[start : start + 16]) for start in (8, 24)]
    read_transport(ends[0], ends[1], protocol, body)


def read_transport(source, to, protocol, segment):
    if protocol in (6, 17) and len(segment) >= 8:
        port = struct.unpack_from(">H", segment, 2)[0]
        data = segment[8:] if protocol == 17 else segment[(segment[12] >> 4) * 4 :]
        # Of TCP what opens a connection counts, and what is said on it; bare acknowledgements do not.
        if protocol == 17 or data or (segment[13] & 0x12) == 0x02:
            note(source, to, "udp" if protocol == 17 else "tcp", port, len(data), marks_in(data))
        return
    name = {1: "icmp", 58: "icmp"}.get(protocol, f"ip-{protocol}")
    note(source, to, name, 0, len(segment), marks_in(segment))


# ---- TCP


def destination_of(connection, family):
    if family == socket.AF_INET6:
        raw = connection.getsockopt(socket.IPPROTO_IPV6, SO_ORIGINAL_DST, 28)
        return socket.inet_ntop(family, raw[8:24]), struct.unpack_from(">H", raw, 2)[0]
    raw = connection.getsockopt(socket.IPPROTO_IP, SO_ORIGINAL_DST, 16)
    return socket.inet_ntoa(raw[4:8]), struct.unpack_from(">H", raw, 2)[0]


def accept(family, context):
    listener = socket.socket(family, socket.SOCK_STREAM)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 64)
    listener.bind(("", 0))
    listener.listen(256)

    def loop():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection, family, context), daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()
    return listener.getsockname()[1]


def serve(connection, family, context):
    try:
        connection.settimeout(60)
        (to, port), source = destination_of(connection, family), connection.getpeername()[0]
        if port == 22:
            connection.sendall(b"SSH-2.0-internet\r\n")
        tls = False
        first = connection.recv(1, socket.MSG_PEEK)
        if first == b"\x16" and context is not None:
            connection = context.wrap_socket(connection, server_side=True)
            tls = True
        converse(connection, source, to, port, tls)
    except (OSError, ValueError):
        pass
    finally:
        connection.close()


def converse(connection, source, to, port, tls):
    pending = b""
    while True:
        piece = connection.recv(65536)
        if not piece:
            return
        pending += piece
        if not re.match(rb"[A-Z]+ \S+ HTTP/1", pending[:2048]):
            note(source, to, "said", port, len(pending), marks_in(pending))
            connection.sendall(pending)
            pending = b""
            continue
        while b"\r\n\r\n" in pending:
            head, _, rest = pending.partition(b"\r\n\r\n")
            length = int((re.search(rb"\r\ncontent-length: *(\d+)", head, re.I) or [0, 0])[1])
            if len(rest) < length:
                break
            pending = rest[length:]
            note(source, to, "said", port, len(head) + length, marks_in(head + rest[:length]))
            connection.sendall(answer(head, rest[:length], to, port, tls))
            if re.search(rb"\r\nconnection: *close", head, re.I):
                return


def answer(head, body, to, port, tls):
    method, path, _ = head.split(b"\r\n", 1)[0].decode("latin1").split(" ", 2)
    host = (re.search(rb"\r\nhost: *([^\r\n]*)", head, re.I) or [b"", b""])[1].decode("latin1")
    with lock:
        requests.append(
            {"to": to, "port": port, "tls": tls, "method": method, "path": path, "host": host, "body": len(body)}
        )
    key = re.search(rb"\r\nsec-websocket-key: *([^\r\n]*)", head, re.I)
    if key is not None:
        accepted = base64.b64encode(hashlib.sha1(key[1] + WEBSOCKET).digest()).decode()
        fields = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accepted}"
        return f"HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n\r\n".encode()
    if method == "CONNECT":
        return b"HTTP/1.1 200 Connected\r\n\r\n"
    text = f"reached {to}:{port} as {host}\n".encode()
    to_elsewhere = re.search(r"[?&]to=(\S+)", path)
    status = "200 OK" if to_elsewhere is None else f"302 Found\r\nLocation: {to_elsewhere[1]}"
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text


# ---- UDP


def echo_datagrams(family):
    datagrams = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    datagrams.bind(("", 0))

    def loop():
        while True:
            message, source = datagrams.recvfrom(65536)
            datagrams.sendto(b"reached " + message, source)

    threading.Thread(target=loop, daemon=True).start()
    return datagrams.getsockname()[1]


def serve_names():
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("", 53))

    def loop():
        while True:
            message, source = datagrams.recvfrom(4096)
            try:
                # A server that is down, as far as these names are concerned.
                if message[13:19].lower() != b"silent":
                    datagrams.sendto(name_answer(message), source)
            except (OSError, IndexError, struct.error):
                pass

    threading.Thread(target=loop, daemon=True).start()


def name_answer(message):
    labels, at = [], 12
    while message[at]:
        labels.append(message[at + 1 : at + 1 + message[at]].decode("latin1"))
        at += 1 + message[at]
    asked = struct.unpack_from(">H", message, at + 1)[0]
    records = [record for record in records_of(".".join(labels).lower(), asked) if record[0] in (asked, 5)]
    answer, owner, start = b"", 12, at + 5
    for kind, data in records:
        answer += struct.pack(">HHHIH", 0xC000 | owner, kind, 1, 0, len(data)) + data
        # What follows an alias is said of the name that it stands for.
        owner = start + len(answer) - len(data) if kind == 5 else owner
    head = message[:2] + b"\x81\x80" + struct.pack(">HHHH", 1, len(records), 0, 0)
    return head + message[12:start] + answer


def records_of(name, asked):
    with lock:
        parents = [name.split(".", n)[n] for n in range(1, name.count(".") + 1)]
        answers = next((zone[key] for key in [name, *(f"*.{one}" for one in parents)] if key in zone), None)
        if answers is None:
            return []
        # Questions for A and AAAA come in pairs: those for A move on to the next answer.
        found = answers.pop(0) if asked == 1 and len(answers) > 1 else answers[0]
    return [encoded(kind, data) for kind, data in found]


def encoded(kind, data):
    if kind == "CNAME":
        return 5, b"".join(bytes([len(label)]) + label.encode() for label in data.split(".")) + b"\0"
    family = socket.AF_INET if kind == "A" else socket.AF_INET6
    return next(number for number, name in TYPES.items() if name == kind), socket.inet_pton(family, data)


# ---- the machine


def run(*command, text=None):
    subprocess.run(command, input=text, text=True, check=True, stdout=subprocess.DEVNULL)


def begin(tls=None, gateways=(), everywhere=False):
    """Takes the gateways' addresses and everything that is sent on through them."""
    context = None
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with open("/tmp/upstream.pem", "w", encoding="ascii") as file:
            file.write(tls["key"] + tls["cert"])
        context.load_cert_chain("/tmp/upstream.pem")
    threading.Thread(target=sniff, daemon=True).start()
    tcp = [accept(family, context) for family in (socket.AF_INET, socket.AF_INET6)]
    udp = [echo_datagrams(family) for family in (socket.AF_INET, socket.AF_INET6)]
    serve_names()
    local = "" if everywhere else "fib daddr type local "
    rules = "\n".join(
        f"meta nfproto {family} {local}meta l4proto tcp redirect to :{tcp[n]}\n"
        f"meta nfproto {family} {local}udp dport != 53 redirect to :{udp[n]}"
        for n, family in enumerate(("ipv4", "ipv6"))
    )
    chain = f"type nat hook prerouting priority -100;\n{rules}\nudp dport 53 redirect to :53"
    run("nft", "-f", "-", text=f"table inet internet {{ chain arriving {{\n{chain}\n}}\n}}\n")
    for address in gateways:
        run("ip", "address", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))
    return {}


def gathered(since=0):
    with lock:
        return {"arrivals": arrivals[since:], "next": len(arrivals)}


def names(answers):
    with lock:
        zone.update(answers)
    return {}


def asked(since=0):
    with lock:
        return {"requests": requests[since:], "next": len(requests)}


COMMANDS = {"begin": begin, "arrivals": gathered, "names": names, "requests": asked}

for line in sys.stdin:
    call = json.loads(line)
    print(json.dumps(COMMANDS[call.pop("do")](**call)), flush=True)
