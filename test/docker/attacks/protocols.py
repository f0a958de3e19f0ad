# Protocols other than TCP, and TCP in unusual ways. See attacker.py.

AF_VSOCK, AF_PACKET = 40, 17
IPPROTO_MPTCP = 262
MSG_FASTOPEN = 0x20000000
IPV6_HDRINCL = 36


def checksum(octets):
    octets += b"\0" * (len(octets) % 2)
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, to, protocol, body):
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 4711, 0, 64, protocol, 0)
    head += socket.inet_aton(source) + socket.inet_aton(to)
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + body


def ipv6(source, to, protocol, body):
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, to)
    return struct.pack(">IHBB", 6 << 28, len(body), protocol, 64) + ends + body


def udp_segment(source, to, port, mark):
    body = mark.encode()
    head = struct.pack(">HHHH", 4711, port, 8 + len(body), 0)
    pseudo = socket.inet_aton(source) + socket.inet_aton(to) + struct.pack(">BBH", 0, 17, 8 + len(body))
    return head[:6] + struct.pack(">H", checksum(pseudo + head + body) or 0xFFFF) + body


def tcp_segment(source, to, port, mark, flags=0x02):
    body = mark.encode()
    head = struct.pack(">HHIIBBHHH", 4711, port, 1, 0, 5 << 4, flags, 64240, 0, 0)
    pseudo = socket.inet_aton(source) + socket.inet_aton(to) + struct.pack(">BBH", 0, 6, 20 + len(body))
    return head[:16] + struct.pack(">H", checksum(pseudo + head + body)) + head[18:] + body


def echo_request(mark, kind=8):
    body = struct.pack(">BBHHH", kind, 0, 0, 4711, 1) + mark.encode()
    return body[:2] + struct.pack(">H", checksum(body)) + body[4:]


def send_udp(to, port, mark, family="v4", size=0, protocol=0):
    return udp(to, port, mark, socket.AF_INET if family == "v4" else socket.AF_INET6, size, protocol)


def connected_udp(to, port, mark):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(PATIENCE)
        datagrams.connect((to, port))
        datagrams.send(mark.encode())
        return word(datagrams.recv(65536))


def quic(to, mark):
    """The long header of QUIC's first packet, in a datagram as large as it has to be."""
    head = b"\xc0\x00\x00\x00\x01\x08" + os.urandom(8) + b"\x00\x00"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(PATIENCE)
        datagrams.sendto((head + mark.encode()).ljust(1200, b"\0"), (to, 443))
        return word(datagrams.recv(65536))


def multicast(to, port, mark):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 8)
        datagrams.sendto(mark.encode(), (to, port))
        return "sent"


def multicast_v6(to, port, mark):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as datagrams:
        interfaces = [number for number, name in socket.if_nameindex() if name != "lo"] or [1]
        datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 8)
        datagrams.sendto(mark.encode(), (to, port, 0, interfaces[0]))
        return "sent"


def ping(to, mark):
    return shell(f"ping -n -c 1 -W 1 -p {mark.encode().hex()[:32]} {to}").split(":")[0]


def ping_socket(to, mark):
    """ICMP without a capability, where ping_group_range lets it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as datagrams:
        datagrams.settimeout(PATIENCE)
        datagrams.sendto(echo_request(mark), (to, 0))
        return "sent"


def raw(to, protocol, mark, body="text"):
    """A raw socket of one IP protocol: the kernel writes the IP header."""
    content = echo_request(mark) if body == "echo" else mark.encode().ljust(32, b".")
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol) as packets:
        packets.sendto(content, (to, 0))
        return "sent"


def raw_header(to, mark, what, source=None):
    """IPPROTO_RAW: the attacker writes the IP header, and claims to be whom it likes."""
    source = source or "203.0.113.77"
    bodies = {
        "udp": (17, udp_segment(source, to, 9999, mark)),
        "syn": (6, tcp_segment(source, to, 443, mark)),
        "ack": (6, tcp_segment(source, to, 443, mark, 0x18)),
        "icmp": (1, echo_request(mark)),
    }
    protocol, body = bodies[what]
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as packets:
        packets.sendto(ipv4(source, to, protocol, body), (to, 0))
        return "sent"


def fragments(to, mark):
    """A datagram in two pieces: the second has no ports that a filter could read."""
    segment = udp_segment("203.0.113.77", to, 9999, mark.ljust(80, "."))
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as packets:
        for start, more in ((0, 0x2000), (64, 0)):
            head = bytearray(ipv4("203.0.113.77", to, 17, segment[start : start + 64] if more else segment[start:]))
            struct.pack_into(">H", head, 6, more | start // 8)
            head[10:12] = b"\0\0"
            packets.sendto(bytes(head), (to, 0))
        return "sent"


def raw_v6(to, mark, protocol=58):
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, protocol) as packets:
        content = echo_request(mark, 128) if protocol == 58 else mark.encode()
        packets.sendto(content, (to, 0))
        return "sent"


def raw_header_v6(to, mark):
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as packets:
        packets.sendto(ipv6("fd00::77", to, 59, mark.encode()), (to, 0))
        return "sent"


def tcp_v6(to, port, mark):
    return raw_tcp(to, port, mark, family=socket.AF_INET6)


def stream(to, port, mark, protocol):
    """A stream socket of another protocol: SCTP is 132, MPTCP 262."""
    with tcp(to, port, protocol=protocol) as connection:
        connection.sendall(mark.encode())
        return word(listen_to(connection))


def seqpacket_sctp(to, port, mark):
    with socket.socket(socket.AF_INET, socket.SOCK_SEQPACKET, 132) as packets:
        packets.settimeout(PATIENCE)
        packets.sendto(mark.encode(), (to, port))
        return "sent"


def frames(to, mark, payload="udp"):
    """Ethernet frames on every interface that there is, to everybody, from nobody."""
    sent = []
    for _, name in socket.if_nameindex():
        with socket.socket(AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003)) as packets:
            packets.bind((name, 0))
            source = "203.0.113.77"
            ethertype, body = {
                "udp": (0x0800, ipv4(source, to, 17, udp_segment(source, to, 9999, mark))),
                "syn": (0x0800, ipv4(source, to, 6, tcp_segment(source, to, 443, mark))),
                "odd": (0x88B5, mark.encode().ljust(46, b".")),
                "v6": (0x86DD, ipv6("fe80::77", "ff02::1", 59, mark.encode())),
            }[payload]
            frame = b"\xff" * 6 + b"\x02\x00\x00\x00\x00\x77" + struct.pack(">H", ethertype) + body
            try:
                packets.send(frame)
                sent.append(name)
            except OSError as error:
                sent.append(f"{name} {error_word(error)}")
    return "sent on " + ", ".join(sent)


def cooked_packets(to, mark):
    """AF_PACKET with the kernel's own link header."""
    with socket.socket(AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)) as packets:
        for number, name in socket.if_nameindex():
            if name != "lo" or number == 1 and len(socket.if_nameindex()) == 1:
                packet = ipv4("203.0.113.77", to, 17, udp_segment("203.0.113.77", to, 9999, mark))
                packets.sendto(packet, (name, 0x0800, 0, 0, b"\xff" * 6))
        return "sent"


def vsock(cid, port, mark):
    """To the host's own end (1) alone: what lies outside the machine is not ours to attack."""
    with socket.socket(AF_VSOCK, socket.SOCK_STREAM) as connection:
        connection.settimeout(PATIENCE)
        connection.connect((cid, port))
        connection.sendall(mark.encode())
        return "connected"


def tear_down():
    """All rules go, and every address has a route through interfaces of the attacker's own."""
    return shell(
        "nft flush ruleset; ip route flush table local; ip route flush table main;"
        "ip link add one type veth peer name two; ip link set one up; ip link set two up;"
        "ip address add 10.9.9.1/24 dev one; ip route add default via 10.9.9.2 dev one;"
        "ip -6 route add default dev one; nft list ruleset; ip route show"
    )
