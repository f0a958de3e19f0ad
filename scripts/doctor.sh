#!/bin/sh
# Looks for what lies open around the boundary, from inside the workspace, and says what to do about it.
#
#   doctor.sh [--json] [--report URL]
#
# One line per check: "ok CHECK", "found CHECK TEXT" or "unknown CHECK TEXT". With --json instead one object,
# {"findings":{"CHECK":true,...}}, true for found, without the unknown. --report posts that object as well.
# Exits with 0 when nothing was found, 1 when something was, 2 when it was called wrongly.
#
# Nothing here is a control: a workspace can say of itself what it likes. It finds what a template forgot.
set -u

trust_dir=${BOUNDARY_TRUST_DIR:-/run/boundary/trust}
# Sockets of container engines, as the last part of a path.
engine_sockets='docker.sock containerd.sock podman.sock crio.sock'
results=''
newline='
'

note() { # STATE CHECK [TEXT]
  results="$results$*$newline"
}

# ---- Checks -----------------------------------------------------------------------------------------------------

# Prints the paths of engine sockets that were mounted. A socket mounted under another name shows its own name as the
# root of the mount, in /proc/self/mountinfo alone.
mounted_sockets() {
  while read -r _ _ _ root point _; do
    root=${root%//deleted}
    point=$(printf '%b' "$point") # a blank is written as \040
    for socket in $engine_sockets; do
      if [ "${root##*/}" = "$socket" ] || [ "${point##*/}" = "$socket" ]; then
        printf '%s\n' "$point"
      elif [ "$point" != / ]; then # what lies in the root file system is the container's own
        for path in "$point/$socket" "$point/${socket%.sock}/$socket"; do
          if [ -S "$path" ]; then printf '%s\n' "$path"; fi
        done
      fi
    done
  done </proc/self/mountinfo | sort -u | tr '\n' ' '
}

check_docker_socket() {
  sockets=$(mounted_sockets)
  if [ -n "$sockets" ]; then
    note found docker_socket "${sockets% } reaches a container engine, which starts containers outside the boundary; take the mount out of the template"
  else
    note ok docker_socket
  fi
}

check_extra_interfaces() {
  interfaces=''
  for path in /sys/class/net/*; do
    name=${path##*/}
    if [ "$name" = lo ] || ! flags=$(cat "$path/flags" 2>/dev/null); then continue; fi
    # The kernel puts tunnels that are down into every new namespace.
    if [ $((flags & 1)) -eq 1 ]; then interfaces="$interfaces$name "; fi
  done
  if [ -n "$interfaces" ]; then
    note found extra_interfaces "${interfaces% } leads past the boundary; set network_mode = module.boundary.network_mode on the workspace's container and no networks_advanced"
  elif [ -e /sys/class/net/lo ]; then
    note ok extra_interfaces
  else
    note unknown extra_interfaces "/sys/class/net cannot be read"
  fi
}

status_field() { # NAME
  while read -r key value; do
    if [ "$key" = "$1:" ]; then
      printf '%s' "$value"
      return
    fi
  done </proc/self/status
}

check_capabilities() {
  bounding=$(status_field CapBnd)
  if [ -z "$bounding" ]; then
    note unknown capabilities "/proc/self/status holds no CapBnd"
    return
  fi
  held=''
  for pair in 12:NET_ADMIN 13:NET_RAW 16:SYS_MODULE 17:SYS_RAWIO 19:SYS_PTRACE 21:SYS_ADMIN 38:PERFMON 39:BPF; do
    if [ $(((0x$bounding >> ${pair%%:*}) & 1)) -eq 1 ]; then held="$held${pair#*:} "; fi
  done
  if [ -n "$held" ]; then
    note found capabilities "root here may have ${held% }; drop them in the container's capabilities block (module.boundary.capabilities_drop), and add none"
  else
    note ok capabilities
  fi
}

check_new_privileges() {
  case $(status_field NoNewPrivs) in
    1) note ok new_privileges ;;
    0) note found new_privileges "setuid programs (sudo) can raise privileges; set security_opts = module.boundary.security_opts on the workspace's container" ;;
    *) note unknown new_privileges "/proc/self/status holds no NoNewPrivs" ;;
  esac
}

check_trust_bundle() {
  bundle=$trust_dir/bundle.pem
  if ! grep -q 'BEGIN CERTIFICATE' "$bundle" 2>/dev/null; then
    note found trust_bundle "$bundle cannot be read, so that tools refuse what the boundary opens; add a mounts block for module.boundary.mounts to the workspace's container"
  elif [ -w "$bundle" ]; then
    note found trust_bundle "$bundle can be written; mount it with read_only = mounts.value.read_only"
  else
    note ok trust_bundle
  fi
}

is_true() {
  case $1 in
    1 | t | T | true | TRUE | True) return 0 ;;
    *) return 1 ;;
  esac
}

check_file_transfer() {
  if is_true "${CODER_AGENT_BLOCK_FILE_TRANSFER:-}"; then
    note ok file_transfer
  else
    note found file_transfer "scp, sftp and rsync over Coder's ssh carry files out; add module.boundary.env to the container's env"
  fi
}

check_port_forwarding() {
  if is_true "${CODER_AGENT_BLOCK_REVERSE_PORT_FORWARDING:-}" && is_true "${CODER_AGENT_BLOCK_LOCAL_PORT_FORWARDING:-}"; then
    note ok port_forwarding
  else
    note found port_forwarding "ports forwarded over Coder's ssh lead in and out; add module.boundary.env to the container's env"
  fi
}

# AF_VSOCK (40) belongs to no network namespace. There is no file to look at: it has to be tried.
check_vsock() {
  if command -v perl >/dev/null 2>&1; then
    perl -e 'exit(socket(my $s, 40, 1, 0) ? 0 : 1)' 2>/dev/null
  elif command -v python3 >/dev/null 2>&1; then
    python3 -c 'import socket; socket.socket(40, 1)' 2>/dev/null
  else
    note unknown vsock "neither perl nor python3 is here to try it"
    return
  fi
  if [ $? -eq 0 ]; then
    note found vsock "AF_VSOCK sockets can be made, which reach the hypervisor past any network namespace; set security_opts = module.boundary.security_opts on the workspace's container"
  else
    note ok vsock
  fi
}

# ---- Report -----------------------------------------------------------------------------------------------------

findings_json() {
  separator=''
  printf '{"findings":{'
  printf '%s' "$results" | while read -r state check _; do
    case $state in
      found) printf '%s"%s":true' "$separator" "$check" ;;
      ok) printf '%s"%s":false' "$separator" "$check" ;;
      *) continue ;;
    esac
    separator=,
  done
  printf '}}\n'
}

# The boundary is not behind a proxy.
post() ( # URL BODY
  unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
  if command -v curl >/dev/null 2>&1; then
    curl -fsS --max-time 10 -o /dev/null -H 'Content-Type: application/json' --data-binary "$2" "$1"
  elif command -v wget >/dev/null 2>&1; then
    wget -q -T 10 -O /dev/null --header 'Content-Type: application/json' --post-data "$2" "$1"
  elif command -v bash >/dev/null 2>&1; then
    # --norc: with a socket as its standard input bash takes itself to be started by rsh, and reads the user's file.
    # shellcheck disable=SC2016 # for bash to expand
    bash --norc -c '
      rest=${1#http://} host=${1#http://}
      host=${host%%/*}
      exec 3<>"/dev/tcp/${host%%:*}/$([[ $host == *:* ]] && echo "${host##*:}" || echo 80)" || exit 1
      printf "POST /%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s" \
        "${rest#*/}" "$host" "${#2}" "$2" >&3
      read -r -t 10 -u 3 _ code _ && [[ $code == 2* ]]' bash "$1" "$2"
  else
    echo 'none of curl, wget and bash is here' >&2
    return 1
  fi
)

json=no
report=''
while [ $# -gt 0 ]; do
  case $1 in
    --json) json=yes ;;
    --report)
      if [ $# -lt 2 ]; then
        echo 'doctor.sh: --report needs a URL, such as http://boundary.internal/v1/doctor' >&2
        exit 2
      fi
      report=$2
      shift
      ;;
    *)
      echo "doctor.sh: unknown argument $1; it takes --json and --report URL" >&2
      exit 2
      ;;
  esac
  shift
done

check_docker_socket
check_extra_interfaces
check_trust_bundle
check_capabilities
check_new_privileges
check_file_transfer
check_port_forwarding
check_vsock

if [ "$json" = yes ]; then findings_json; else printf '%s' "$results"; fi
if [ -n "$report" ] && ! post "$report" "$(findings_json)"; then
  echo "doctor.sh: $report did not take the findings; the metrics show none of them" >&2
fi
case $newline$results in
  *"${newline}found "*) exit 1 ;;
esac
