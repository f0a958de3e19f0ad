# Requests that want to be taken for others, relays, tunnels, and other people's protocols. See attacker.py.


def curl(arguments, mark, variables=""):
    """The status of an answer and of a CONNECT, or curl's own word for why there is none."""
    asked = f"curl -sk -o /dev/null -m 10 -w '%{{http_code}} %{{http_connect}} %{{errormsg}}' -A MARK {arguments}"
    return shell(f"env {variables} {asked}".replace("MARK", mark))


def get(to, mark, port=80, **more):
    return http(to, port, mark, **more)


def get_tls(to, mark, port=443, **more):
    return https(to, port, mark, **more)


def said_raw(to, port, text, mark, tls=None):
    """Octets of the attacker's choice, in TLS with a server name where one is given."""
    connection = tcp(to, port)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = context.wrap_socket(connection, server_hostname=tls)
    with connection:
        connection.sendall(text.replace("MARK", mark).encode("latin1"))
        heard = listen_to(connection)
        return " ".join(re.findall(r"HTTP/1.[01] (\d+)", heard.decode("latin1"))) or word(heard)


def websocket(to, port, mark, name=None):
    key = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    text = f"GET /ws HTTP/1.1\r\nHost: {authority(to, port)}\r\nX-Mark: MARK\r\n{key}\r\n"
    return said_raw(to, port, text, mark, tls=name)


def ssh(to, port, mark, more=""):
    options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -o ConnectTimeout=8"
    return shell(f"timeout 5 ssh {options} {more} -p {port} {mark}@{to} true 2>&1 | grep -v Warning | tr -d '\\r' | tr '\\n' ' '")


def command(text, mark):
    return shell(text.replace("MARK", mark))


SOCKS = {
    "SOCKS5 without a name": b"\x05\x01\x00",
    "SOCKS5 with a password": b"\x05\x01\x02",
    "SOCKS5 by GSSAPI": b"\x05\x01\x01",
    "SOCKS4": b"\x04\x01\x00\x50" + socket.inet_aton("45.79.3.1") + b"\0",
    "SOCKS4a": b"\x04\x01\x00\x50\0\0\0\x01\0forbidden.test\0",
}


def socks(to, what, mark, port=None):
    """Asks for forbidden.test by CONNECT, BIND and UDP ASSOCIATE; `port` is the gate's own unless told."""
    if port is None:
        with open("/proc/net/tcp", encoding="ascii") as lines:
            rows = [line.split() for line in list(lines)[1:]]
        listening = [int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A"]
        port = listening[0]
    said = []
    for kind in (1, 2, 3):
        try:
            with tcp(to, port) as connection:
                connection.sendall(SOCKS[what])
                heard = listen_to(connection, most=2)
                if heard[:2] == b"\x05\x00" or heard[:2] == b"\x00\x5a":
                    connection.sendall(b"\x05" + bytes([kind]) + b"\x00\x03\x0eforbidden.test\x00\x50" + mark.encode())
                    heard += listen_to(connection)
                said.append(word(heard))
        except OSError as error:
            said.append(error_word(error))
    return ", ".join(sorted(set(said)))


def relay(to, port, mark, uid=1000):
    """A CONNECT proxy of the attacker's own, run by another user, and a request through it."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    child = os.fork()
    if child == 0:
        os.setgid(uid)
        os.setuid(uid)
        client, _ = listener.accept()
        client.recv(4096)
        try:
            with tcp(to, port) as onward:
                client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                onward.sendall(client.recv(4096))
                client.sendall(listen_to(onward))
        except OSError as error:
            client.sendall(f"HTTP/1.1 502 {error_word(error)}\r\n\r\n".encode())
        os._exit(0)
    with tcp(*listener.getsockname()) as client:
        client.sendall(f"CONNECT {to}:{port} HTTP/1.1\r\n\r\n".encode())
        said = client.recv(4096)
        if b" 200 " in said:
            client.sendall(request(authority(to, port), mark))
            said = listen_to(client)
    os.waitpid(child, 0)
    listener.close()
    return word(said)


def as_user(uid, runs, mark, **arguments):
    """Another attack, by another user without a capability."""
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgid(uid)
        os.setuid(uid)
        os.write(there, outcome({"attack": runs, "mark": mark, **arguments})["said"].encode())
        os._exit(0)
    os.close(there)
    with os.fdopen(here) as said:
        text = said.read()
    os.waitpid(child, 0)
    return text


def datagram(to, port, mark):
    return udp(to, port, mark)


def page(path, mark, method="GET", body=""):
    """What the boundary's own page says to a path that is none of its."""
    more = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    text = f"{method} {path} HTTP/1.1\r\nHost: boundary.internal\r\n{more}Connection: close\r\n\r\n{body}"
    return said_raw("boundary.internal", 80, text, mark)
