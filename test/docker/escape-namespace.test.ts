/** From inside a workspace: its own network namespace, turned over; and what of the boundary can be found from there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALLOWED, AS_ADMIN, AS_ROOT, type Attack, Battery, FORBIDDEN, isAllowed } from './battery.ts';

const battery = new Battery({
  title: 'the namespace',
  policy: 'allow:\n  - { domain: allowed.test }\n',
  attacks: 'namespace.py',
  names: { 'allowed.test': [[['A', ALLOWED]]], 'forbidden.test': [[['A', FORBIDDEN]]] },
});

const to = FORBIDDEN;
const ABOVE = 'as the first';

function command(name: string, text: string, more: Partial<Attack> = {}): Attack {
  return {
    name,
    call: (mark) => ({ attack: 'command', text, to, mark }),
    uncontrolled: ABOVE,
    within: 20_000,
    ...more,
  };
}

const curl = `curl -s -m 2 http://${to}/ -A MARK`;

/** With Docker's default capabilities most are refused; with NET_ADMIN and SYS_ADMIN most work, and lead nowhere. */
const COMMANDS: readonly Attack[] = [
  { name: 'nothing but packets', call: (mark) => ({ attack: 'try_out', to, port: 80, mark }), to },
  command(
    'ip link add: a veth pair',
    'ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up',
  ),
  command(
    'ip link add: bridge, vxlan, gre, sit, macvlan, ipvlan',
    'for t in bridge "vxlan id 7 remote 45.79.3.1 dstport 4789" "gre remote 45.79.3.1" "sit remote 45.79.3.1" "macvlan link lo" "ipvlan link lo" wireguard dummy; do ip link add x type $t && ip link set x up; ip link del x; done',
  ),
  command('a tun device', 'mkdir -p /dev/net; mknod /dev/net/tun c 10 200; ip tuntap add dev t0 mode tun'),
  command(
    'ip route: another way out',
    'ip address add 10.9.9.1/24 dev lo; ip route add default via 10.9.9.2 dev lo; ip -6 route add default dev lo; ip route; ip address del 10.9.9.1/24 dev lo',
  ),
  command(
    'ip rule and xfrm',
    'ip rule add from all lookup main priority 1; ip xfrm policy list; ip rule del priority 1',
  ),
  command('sysctl', 'sysctl -w net.ipv4.ip_forward=1 net.ipv4.conf.all.route_localnet=1'),
  command(
    'sysctl by a proc of one’s own',
    'mkdir -p /tmp/p && mount -t proc proc /tmp/p && echo 1 > /tmp/p/sys/net/ipv4/ip_forward; umount /tmp/p',
  ),
  command('unshare -n', `unshare -n sh -c 'ip link set lo up; ip link; ${curl}'`),
  command(
    'unshare -rn, as another user',
    `setpriv --reuid 4242 --clear-groups unshare -rn sh -c 'ip link set lo up; ${curl}'`,
  ),
  command(
    'ip netns',
    `ip netns add other && ip link add v2 type veth peer name v3 netns other && ip netns exec other ${curl}`,
  ),
  command('nsenter into process 1', `nsenter -t 1 -n -m ${curl}`),
  command(
    'mount and pivot_root',
    "mkdir -p /tmp/r; unshare -m sh -c 'mount -t tmpfs tmpfs /tmp/r && mkdir -p /tmp/r/old && cd /tmp/r && pivot_root . old'",
  ),
  command(
    'umount of resolv.conf and hosts',
    "unshare -m sh -c 'umount /etc/resolv.conf /etc/hosts /etc/hostname'; umount -f /etc/hostname",
  ),
  command(
    'capabilities, raised',
    `capsh --caps='cap_net_admin,cap_sys_admin,cap_net_raw+eip' -- -c "${curl}"`,
  ),
  {
    name: 'a process of one’s own in the place of the gate’s redirect',
    call: (mark) => ({ attack: 'own_process_instead', to, mark }),
    says: /own process got/,
    uncontrolled: ABOVE,
    within: 30_000,
    stages: [AS_ADMIN.column],
  },
  {
    name: 'a forbidden address, rewritten to an allowed name’s',
    call: (mark) => ({ attack: 'false_destination', to, mark }),
    says: /^(4\d\d|ECONNREFUSED)$/,
    uncontrolled: ABOVE,
    stages: [AS_ADMIN.column],
  },
];

/** These leave the namespace in pieces, which a gate that starts again puts together. */
const DESTRUCTIVE: readonly Attack[] = [
  command(
    'tc: packets of loopback are sent on',
    'tc qdisc add dev lo clsact; tc filter add dev lo egress matchall action mirred egress redirect dev lo; tc qdisc del dev lo clsact',
  ),
  command(
    'iptables -F and -P ACCEPT',
    'iptables -F; iptables -t nat -F; iptables -P OUTPUT ACCEPT; ip6tables -F',
  ),
  command('nft flush ruleset', 'nft flush ruleset'),
  command(
    'nft: a table that nobody else may change',
    'nft delete table inet boundary; nft add table inet boundary',
  ),
];

/** What a gate does not put right again. */
const BEYOND: readonly Attack[] = [
  command('ip route flush', 'ip route flush table local; ip route flush table main'),
  command('ss -K: the sockets of others', 'ss -K -t state listening; ss -K -u'),
  command(
    'ip link set lo down, renamed',
    'ip link set lo down && ip link set lo name lo9 && ip link add lo type veth peer name lo8; ip link set lo9 up; ip link set lo9 name lo',
  ),
  command('ip link set lo into another namespace', 'ip netns add last; ip link set lo netns last'),
];

const good = '0 bytes';

function finding(name: string, run: () => Promise<void>, stage = AS_ROOT): void {
  battery.declareTest(name, stage.column, good, run);
}

async function says(attack: string, expected: RegExp, stage = AS_ROOT, more: object = {}): Promise<void> {
  const { outcome, arrivals } = await battery.during(stage.place, {
    call: (mark) => ({ attack, ...more, ...(attack.endsWith('trust') ? { mark } : {}) }),
  });
  assert.deepEqual(
    arrivals.filter((one) => !isAllowed(one, battery.setting)),
    [],
  );
  assert.match(outcome.said, expected);
}

async function until(met: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 20_000; !(await met()); ) {
    assert.ok(performance.now() < deadline, 'it did not come to that');
  }
}

const bothStages = [AS_ROOT, AS_ADMIN];
for (const stage of bothStages) {
  finding(
    'processes of the boundary are not to be seen',
    async () => {
      const { said } = await battery.setting.attack(stage.place, { attack: 'processes' });
      assert.match(said, /sleep infinity/);
      assert.doesNotMatch(said, /main\.js|boundary\/src/);
    },
    stage,
  );
  finding(
    'of its files only what is to be trusted is there',
    () => says('boundary_files', /^\d: \/run\/boundary\/trust$/, stage),
    stage,
  );
  finding(
    'no unix socket answers, by path or abstract name',
    () => says('sockets_found', /^none$/, stage),
    stage,
  );
  finding(
    'the gate’s ports cannot be bound beside it',
    () => says('bind_gate_ports', /^none$/, stage),
    stage,
  );
}
finding('the gate’s ports cannot be bound beside it, by another user', () => says('bind_as_user', /^none$/));
finding('what is to be trusted cannot be written', () => says('write_trust', /^all refused$/));

battery.declare(COMMANDS, bothStages);

test('with default capabilities the namespace is as the gate made it', async () => {
  assert.equal((await battery.setting.attack('root', { attack: 'alive' })).said, '200 reached');
});

finding(
  'everything that can be seen is killed',
  async () => {
    const { setting } = battery;
    const states = () =>
      Promise.all(
        ['gate', 'sidecar', 'netns'].map(async (part) => (await setting.container(part).inspect()).State),
      );
    const before = await states();
    const { Id } = await setting.container('netns').inspect();
    const killer = await setting.sleeping('killer', { NetworkMode: `container:${Id}` });
    const exec = await killer.exec({ Cmd: ['sh', '-c', 'kill -9 -1'] });
    await (await exec.start({ Detach: true })).destroy?.();
    const after = await states();
    assert.deepEqual(
      after.map(({ StartedAt, Running }) => [StartedAt, Running]),
      before.map(({ StartedAt, Running }) => [StartedAt, Running]),
    );
    assert.equal((await setting.attack('root', { attack: 'alive' })).said, '200 reached');
  },
  AS_ROOT,
);

finding(
  'with SYS_ADMIN what is to be trusted can be written: the sidecar reads nothing of it, and writes it anew',
  async () => {
    const { setting } = battery;
    await setting.attack('admin', { attack: 'remount_trust', mark: 'x' });
    const sidecar = setting.container('sidecar');
    const files = () =>
      setting.attack('root', { attack: 'command_only', text: 'find /run/boundary/trust -type l | wc -l' });
    await sidecar.kill({ signal: 'SIGHUP' });
    for (const deadline = performance.now() + 10_000; (await files()).said !== '0: 0'; ) {
      assert.ok(performance.now() < deadline, (await files()).said);
    }
    assert.equal((await setting.attack('root', { attack: 'alive' })).said, '200 reached');
  },
  AS_ADMIN,
);

battery.declare(DESTRUCTIVE, bothStages);

finding(
  'a gate that starts again closes the namespace again',
  async () => {
    const { setting } = battery;
    await setting.container('gate').restart({ t: 0 });
    await until(async () => (await setting.attack('root', { attack: 'alive' })).said === '200 reached');
    await says('try_out', /^ECONNRESET, EPERM, EPERM$/, AS_ADMIN, { to, port: 80, mark: 'mark-again' });
  },
  AS_ADMIN,
);

battery.declare(BEYOND, bothStages);

finding(
  'a gate that cannot close it any more lets nothing out',
  async () => {
    await battery.setting.container('gate').restart({ t: 0 });
    const { outcome, arrivals } = await battery.during('admin', {
      call: (mark) => ({ attack: 'try_out', to, port: 80, mark }),
    });
    assert.deepEqual(arrivals, [], outcome.said);
  },
  AS_ADMIN,
);
