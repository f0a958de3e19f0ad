# TCP to addresses that no rule allows. See attacker.py.

import mmap

AF_VSOCK = 40
MSG_FASTOPEN = 0x20000000


def send_tcp(to, port, mark):
    return raw_tcp(to, port, mark)


def tcp_by_v6(to, port, mark):
    return raw_tcp(f"::ffff:{to}", port, mark, family=socket.AF_INET6)


def say_nothing(to, port, mark):
    """A client that waits for the server's words."""
    with tcp(to, port) as connection:
        return word(listen_to(connection))


def get(to, port, mark, **more):
    return http(to, port, mark, **more)


def get_tls(to, port, mark, **more):
    return https(to, port, mark, **more)


def stream(to, port, mark, protocol):
    with tcp(to, port, protocol=protocol) as connection:
        connection.sendall(mark.encode())
        return word(listen_to(connection))


def fast_open(to, port, mark):
    """TCP Fast Open: data with the first packet, without connect(2)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        connection.sendto(mark.encode(), MSG_FASTOPEN, (to, port))
        return word(listen_to(connection))


def io_uring(to, port, mark):
    """connect(2) without the system call, where there is io_uring(7)."""
    libc = ctypes.CDLL(None, use_errno=True)
    parameters = ctypes.create_string_buffer(120)
    ring = libc.syscall(425, 4, parameters)
    if ring < 0:
        raise OSError(ctypes.get_errno(), "io_uring_setup")
    entries, tail, at = (struct.unpack_from("<I", parameters.raw, place)[0] for place in (0, 44, 64))
    rings = mmap.mmap(ring, at + entries * 4, offset=0)
    queue = mmap.mmap(ring, entries * 64, offset=0x10000000)
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    place = struct.pack("<H", socket.AF_INET) + struct.pack(">H", port) + socket.inet_aton(to) + b"\0" * 8
    held = ctypes.create_string_buffer(place, 16)
    # IORING_OP_CONNECT is 16; the length of the address stands in `off`.
    queue[:64] = struct.pack("<BBHiQQ", 16, 0, 0, connection.fileno(), 16, ctypes.addressof(held)).ljust(64, b"\0")
    rings[at : at + 4] = struct.pack("<I", 0)
    rings[tail : tail + 4] = struct.pack("<I", 1)
    libc.syscall(426, ring, 1, 1, 1, None, 0)
    connection.settimeout(LONGEST)
    connection.sendall(mark.encode())
    heard = word(listen_to(connection))
    connection.close()
    os.close(ring)
    return heard


def curl(arguments, mark):
    """The status of an answer, or curl's own word for why there is none."""
    return shell(f"curl -sk -o /dev/null -m 10 -w '%{{http_code}} %{{errormsg}}' -H 'X-Mark: {mark}' {arguments}")


def vsock(cid, port, mark):
    """To this machine alone (1, VMADDR_CID_LOCAL): what lies outside it is not ours to attack."""
    with socket.socket(AF_VSOCK, socket.SOCK_STREAM) as connection:
        connection.settimeout(PATIENCE)
        connection.connect((cid, port))
        connection.sendall(mark.encode())
        return "connected"


def gate_ports():
    """TCP and UDP ports of other processes in this network namespace, which /proc tells everybody."""
    found = []
    for name, state in (("tcp", "0A"), ("udp", "07")):
        with open(f"/proc/net/{name}", encoding="ascii") as lines:
            rows = [line.split() for line in list(lines)[1:]]
        found.append([int(row[1].split(":")[1], 16) for row in rows if row[3] == state])
    return found


def gate_tcp(to, mark, host=None):
    """The gate's socket itself, by an address of the attacker's choice."""
    ports = gate_ports()[0]
    return ", ".join(http(to, port, mark, host=host) for port in ports) if ports else "nobody listens"


def gate_udp(to, mark):
    """A question to the gate's DNS socket itself."""
    question = b"\x12\x34\x01\x00\x00\x01" + b"\0" * 6 + bytes([len(mark)]) + mark.encode() + b"\x04test\0\0\x01\0\x01"
    said = []
    for port in gate_ports()[1]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.settimeout(PATIENCE)
            datagrams.sendto(question, (to, port))
            answer = datagrams.recv(512)
            said.append(f"rcode {answer[3] & 15}, {answer[7]} answers")
    return ", ".join(said) or "nobody listens"


def take_rules_away():
    """The gate's rules go; every address stays local, so that what is sent anywhere is answered at once."""
    return shell("nft flush ruleset; nft list ruleset")
