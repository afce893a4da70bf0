# Shared by up and test (sourced, POSIX sh): puts in place what they need and says what it does. A step that finds
# everything in place costs milliseconds. Needs $root, the repository. Never starts, stops or configures a service.

fail() {
  printf '%s\n' "$1" >&2
  exit "${2:-1}"
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }

# step TEXT SINCE_MS: one finished step with its time.
step() {
  printf '  %-58s %6d ms\n' "$1" $(($(now_ms) - $2))
}

# Needs no more than a shell: an old or missing Node.js gets a sentence, not a stack trace.
check_node() {
  way="install Node.js 20.19 or newer (https://nodejs.org/en/download) and put it first in PATH."
  command -v node >/dev/null 2>&1 || fail "Node.js is missing: $way"
  version=$(node -p process.versions.node 2>/dev/null) || fail "Node.js does not run here: $way"
  major=${version%%.*}
  minor=${version#*.}
  minor=${minor%%.*}
  if [ "$major" -lt 20 ] || { [ "$major" -eq 20 ] && [ "$minor" -lt 19 ]; }; then
    fail "Node.js $version is too old: $way"
  fi
}

# check_flags COMMAND ARGS…: refuses wrong flags before anything is installed; --help ends here.
check_flags() {
  node "$root/plugin/flags.mjs" "$@" && return 0
  code=$?
  [ "$code" -eq 3 ] && exit 0
  exit "$code"
}

has_program() {
  for folder in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
    [ -x "$folder/$1" ] && return 0
  done
  return 1
}

has_file() { # has_file PATTERN…
  for file in "$@"; do
    [ -e "$file" ] && return 0
  done
  return 1
}

has_module() {
  has_file /usr/lib/*/kamailio/modules/"$1".so /usr/lib/kamailio/modules/"$1".so \
    /usr/lib64/kamailio/modules/"$1".so /usr/local/lib*/kamailio/modules/"$1".so
}

# Debian packages of which something needed is not there. Asks for files: it does not matter where they came from.
missing_packages() {
  list=
  has_program kamailio || list="$list kamailio"
  has_module janssonrpcc || list="$list kamailio-extra-modules"
  has_module app_lua || list="$list kamailio-lua-modules"
  has_module db_mysql || list="$list kamailio-mysql-modules"
  has_module tls || list="$list kamailio-tls-modules"
  has_file /usr/lib/*/lua/5.1/cjson.so /usr/lib/lua/5.1/cjson.so /usr/local/lib/lua/5.1/cjson.so || list="$list lua-cjson"
  { has_program mariadbd && has_program mariadb-install-db; } || list="$list mariadb-server-core"
  has_program my_print_defaults || list="$list mariadb-client-core"
  has_program redis-server || list="$list redis-server"
  has_program openssl || list="$list openssl"
  # The directory that tests read; set by plugin/test.
  [ -z "${for_tests:-}" ] || has_program slapd || list="$list slapd"
  # A verifier of the archive's proofs that is not ours.
  [ -z "${for_tests:-}" ] || has_program go || list="$list golang-go"
  [ -z "${for_tests:-}" ] || has_file /usr/share/gocode/src/golang.org/x/mod/sumdb/tlog/tlog.go ||
    list="$list golang-golang-x-mod-dev"
  # What checks and transforms the adapter's files, and sets a database's clock.
  [ -z "${for_tests:-}" ] || has_program xmllint || list="$list libxml2-utils"
  [ -z "${for_tests:-}" ] || has_program xsltproc || list="$list xsltproc"
  [ -z "${for_tests:-}" ] || has_file /usr/lib/*/faketime/libfaketimeMT.so.1 || list="$list faketime"
  echo "${list# }"
}

# One preparation of this checkout at a time. The descriptor must be closed again: servers would inherit the lock.
prepare() {
  echo "Preparing"
  exec 9<"$root/package.json"
  if ! flock -n 9; then
    echo "  another plugin/up or plugin/test prepares this checkout; waiting for it, at most 15 minutes"
    flock -w 900 9 || fail "The other preparation of $root did not end: end it and start again."
  fi
  install_packages
  install_modules
  build
  exec 9<&-
}

install_packages() {
  since=$(now_ms)
  missing=$(missing_packages)
  if [ -n "$missing" ]; then
    . "$root/plugin/prepare-apt.sh"
    # shellcheck disable=SC2086 # a list of names
    install_debian_packages $missing
    left=$(missing_packages)
    [ -z "$left" ] || fail "Installed, but still not usable: $left. Look at \"dpkg -L $left\"."
    step "Debian packages: installed $missing" "$since"
  else
    step "Debian packages: all there" "$since"
  fi
}

install_modules() {
  since=$(now_ms)
  lock=$root/node_modules/.package-lock.json
  if [ -f "$lock" ] && [ ! "$root/package-lock.json" -nt "$lock" ]; then
    step "npm packages: all there" "$since"
    return
  fi
  command -v npm >/dev/null 2>&1 || fail "npm is missing: install it with Node.js (https://nodejs.org/en/download)."
  [ -w "$root" ] || fail "The npm packages are missing and $root is not yours to write: run \"npm ci\" there as its owner."
  log=$(mktemp)
  # A registry without the optional packages of other platforms gives a lock file that npm ci refuses; npm install
  # takes the same versions from it and leaves the rest out.
  if ! run_npm ci >"$log" 2>&1 && ! run_npm install --no-save >>"$log" 2>&1; then
    grep -E '^npm error .' "$log" | grep -vE 'verbose|Log files were not written|complete log' | tail -n 8 >&2
    rm -f "$log"
    fail "The npm packages could not be installed: see above; mostly it is the way to the registry (npm config get registry)."
  fi
  rm -f "$log"
  touch "$lock"
  step "npm packages: installed from package-lock.json" "$since"
}

# An account without a home of its own, such as a service's, has no place for npm's cache either.
run_npm() {
  if [ ! -w "${HOME:-/nonexistent}" ] && [ -z "${npm_config_cache:-}" ]; then
    npm_config_cache=$root/var/npm-cache
    export npm_config_cache
  fi
  (cd "$root" && npm "$@" --include=dev --no-audit --no-fund --loglevel=error </dev/null 9<&-)
}

build() {
  since=$(now_ms)
  stamp=$root/dist/.built
  if [ -f "$stamp" ] && [ -z "$(cd "$root" && find src kamailio asterisk plugin package.json tsconfig.json \
    -newer "$stamp" -print -quit)" ]; then
    step "build: up to date" "$since"
    return
  fi
  if [ -e "$root/dist" ]; then dist=$root/dist; else dist=$root; fi
  [ -w "$dist" ] || fail "The build is out of date and $dist is not yours to write: run \"npm run build\" as its owner."
  node "$root/plugin/build.mjs" || fail "The build failed: see above."
  step "build: done" "$since"
}
