# Installs Debian packages without touching a service (sourced by prepare.sh when something is missing).

policy=/usr/sbin/policy-rc.d
policy_mark="# made by parlance for one installation"
apt_wait_s=300

install_debian_packages() {
  by_hand="apt-get install --no-install-recommends $*"
  command -v apt-get >/dev/null 2>&1 ||
    fail "Missing: $*. This is no Debian: install the same programs with your package manager and start again."
  [ "$(id -u)" -eq 0 ] || fail "Missing packages: $*. Only root may install them: run \"$by_hand\" as root, then start again."
  echo "  installing $* (no service is started)"
  apt_log=$(mktemp)
  trap 'rm -f "$apt_log"; allow_services' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP

  if ! simulate "$@"; then
    run_apt update || apt_failed "The package lists could not be fetched" "$by_hand"
    simulate "$@" || apt_failed "These packages cannot be installed here: $*" "$by_hand"
  fi
  refuse_changes "$by_hand"
  forbid_services "$by_hand"
  make_no_directory "$@"
  if ! run_apt --no-install-recommends -o Dpkg::Options::=--force-confold install "$@"; then
    # Old lists name files that the mirror no longer has.
    run_apt update || apt_failed "The package lists could not be fetched" "$by_hand"
    run_apt --no-install-recommends -o Dpkg::Options::=--force-confold install "$@" ||
      apt_failed "The packages could not be installed" "$by_hand"
  fi
  disable_new_services "$@"
  allow_services
  rm -f "$apt_log"
  trap - EXIT INT TERM HUP
}

simulate() {
  LC_ALL=C apt-get -s -q -y --no-install-recommends -o Debug::NoLocking=1 install "$@" >"$apt_log" 2>&1 </dev/null
}

# What belongs to a service of this host is neither removed nor exchanged for another version.
refuse_changes() {
  removed=$(sed -n 's/^Remv \([^ ]*\).*/\1/p' "$apt_log" | tr '\n' ' ')
  [ -z "$removed" ] || fail "Installing what is missing would remove ${removed% }: decide yourself (\"$1\"), then start again."
  changed=$(sed -n 's/^Inst \([^ ]*\) \[.*/\1/p' "$apt_log" | grep -E '^(kamailio|redis|mariadb|mysql|galera|slapd)' | tr '\n' ' ')
  [ -z "$changed" ] ||
    fail "Installing what is missing would upgrade ${changed% }, which this host may be running: do it yourself (\"$1\"), then start again."
}

# run_apt ARGS…: waits, within limits, for another installation to end.
run_apt() {
  waited=0
  while ! LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
    apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=0 "$@" >"$apt_log" 2>&1 </dev/null 9<&-; do
    grep -Eq 'Could not get lock|Unable to (lock|acquire)' "$apt_log" || return 1
    [ "$waited" -lt "$apt_wait_s" ] ||
      fail "Another package installation holds the lock for more than $apt_wait_s s: wait until it ends, then start again."
    [ "$waited" -gt 0 ] || echo "  another package installation is running; waiting for it, at most $apt_wait_s s"
    sleep 3
    waited=$((waited + 3))
  done
}

apt_failed() {
  grep -E '^(E|W|Err)' "$apt_log" | tail -n 5 >&2
  fail "$1: see above, repair it, or run \"$2\" yourself."
}

# invoke-rc.d and deb-systemd-invoke ask this file; 101 means that nothing is started, stopped or restarted.
forbid_services() {
  [ ! -e "$policy" ] || ! grep -qF "$policy_mark" "$policy" || rm -f "$policy" # left by an installation that was killed
  if [ -e "$policy" ]; then
    for service in kamailio redis-server slapd; do
      answer=0
      "$policy" "$service" start >/dev/null 2>&1 || answer=$?
      [ "$answer" -eq 101 ] ||
        fail "Your $policy would let the packages start $service: run \"$1\" yourself, then start again."
    done
    return
  fi
  (set -C && printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy") 2>/dev/null ||
    fail "$policy cannot be written: run \"$1\" yourself, then start again."
  chmod 755 "$policy"
}

# slapd's package makes a directory of the host's own unless it was told not to.
make_no_directory() {
  for package in "$@"; do
    [ "$package" != slapd ] || echo "slapd slapd/no_configuration boolean true" | debconf-set-selections ||
      fail "debconf does not take the answer that slapd needs no directory: run \"dpkg-reconfigure debconf\", then start again."
  done
}

allow_services() {
  if [ -e "$policy" ] && grep -qF "$policy_mark" "$policy"; then rm -f "$policy"; fi
}

# Only services whose package was installed a moment ago: they must not start at the next boot either.
disable_new_services() {
  for package in "$@"; do
    case $package in
      kamailio | redis-server | slapd) ;;
      *) continue ;;
    esac
    if command -v systemctl >/dev/null 2>&1; then
      systemctl disable "$package.service" >/dev/null 2>&1 || true
    elif [ -x /usr/sbin/update-rc.d ]; then
      /usr/sbin/update-rc.d "$package" disable >/dev/null 2>&1 || true
    fi
  done
}
