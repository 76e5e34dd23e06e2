#!/usr/bin/env bash
# Builds, tries, tests and installs cos-ftp-server. `./setup.sh help` lists what it does.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

program=cos-ftp-server
aside="python-original"               # where the files of the Python tool go on install
example=conf/cos-ftp-server.conf.example
marker="Launcher of cos-ftp-server"   # tells our ftp_server.py from the Python tool's
demo_port=2121
staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2
govulncheck=golang.org/x/vuln/cmd/govulncheck@v1.8.0
gotestsum=gotest.tools/gotestsum@v1.13.0
systems="linux/amd64 linux/arm64 darwin/amd64 darwin/arm64" # there is no code for others
export GOFLAGS="${GOFLAGS:-} -buildvcs=false" # git refuses to look into a checkout of another user, and go build then fails

usage() {
	cat <<'EOF'
./setup.sh                build ./cos-ftp-server (static, version stamped)
./setup.sh demo [ADDRESS] build and serve an embedded COS-compatible store on ftp://127.0.0.1:2121, until Ctrl-C; on the
                          given address of this machine instead, with a password made for this run
./setup.sh test           install what the tests need and run everything that CI runs
./setup.sh soak [MINUTES] 300 clients doing everything while COS fails and the server is killed (30 minutes; Linux), then
                          histories of clients on shared names, interrupted clients and renames (some 40 minutes)
./setup.sh vulncheck      look for known vulnerabilities (asks vuln.go.dev)
./setup.sh builds         build and vet for all systems that are supported
./setup.sh arm64 [PACKAGE...]
                          run the tests of these packages, or of nearly all, as linux/arm64 in an emulator (qemu-user)
./setup.sh test-deps      only install what the tests need (Debian or Ubuntu, root)
./setup.sh install DIR    put the server into DIR, a deployment of the Python tool or a new directory
./setup.sh uninstall DIR  undo install: the Python tool is back, conf and log stay

Where go.mod's Go is missing it is fetched as a module, through the proxy that GOPROXY names. Where the default proxy
cannot be reached (mainland China), set GOPROXY to one that can; GOTOOLCHAIN=local forbids to fetch a Go.
EOF
}

say() { printf '%s\n' "$@"; }
die() { printf 'setup.sh: %s\n' "$*" >&2; exit 1; }

# apt_get ARGUMENTS: waits for another apt on this machine.
apt_get() {
	DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 "$@"
}

# Nothing but an apt-get update holds the lock on the lists, for which apt does not wait.
apt_update() {
	local left=120 output
	until output=$(apt_get update 2>&1); do
		[[ $output == *"Could not get lock"* && $left -gt 0 ]] || die "apt-get update: $output"
		left=$((left - 1))
		sleep 5
	done
}

may_install() { command -v apt-get > /dev/null && [ "$(id -u)" = 0 ]; }

apt_install() { # PACKAGE...
	may_install || die "install these, or run as root on Debian or Ubuntu: $*"
	if [ -z "${apt_updated:-}" ]; then
		apt_update
		apt_updated=yes
	fi
	apt_get install -y --no-install-recommends "$@"
}

# use_go: the Go that go.mod names, or a newer one, is the first in the path.
use_go() {
	local want have
	want=$(sed -n 's/^go //p' go.mod)
	if ! command -v go > /dev/null; then
		may_install || die "there is no Go: install Go $want, or any Go from 1.19 on, which then fetches it"
		say "There is no Go: installing Debian's."
		apt_install golang-go ca-certificates
	fi
	have=$(cd / && GOTOOLCHAIN=local go env GOVERSION)
	have=${have#go}
	if printf '%s\n' "$want" "${have%% *}" | sort -C -V; then return; fi
	[ "${GOTOOLCHAIN:-}" != local ] || die "Go $have is older than Go $want of go.mod, and GOTOOLCHAIN=local forbids to fetch that: unset it or install Go $want"
	fetch_go "$want"
}

# fetch_go VERSION: as Go does by itself from 1.21 on where it may, and into the same place; Debian 12 has 1.19. The
# module must have the sum in .ci/toolchain.sum, so it does not matter whose proxy it comes from, nor whether the
# database of checksums can be reached.
fetch_go() {
	local work answer dir
	work=$(mktemp -d)
	printf 'module toolchain\n' > "$work/go.mod"
	cp .ci/toolchain.sum "$work/go.sum"
	answer=$(cd "$work" && GOTOOLCHAIN=local GOFLAGS='' go mod download -json \
		"golang.org/toolchain@v0.0.1-go$1.$(go env GOHOSTOS)-$(go env GOHOSTARCH)") ||
		{ rm -rf "$work"; die "Go $1 cannot be fetched: $answer
Where the default module proxy cannot be reached, set GOPROXY to one that can, or install Go $1."; }
	rm -rf "$work"
	dir=$(sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p' <<< "$answer")
	chmod u+x "$dir"/bin/* "$dir"/pkg/tool/*/* # files of a module have no run bit
	export PATH="$dir/bin:$PATH" GOTOOLCHAIN=local
	say "Using Go $1, which go.mod names, from $dir"
}

build() { # OUTPUT PACKAGE
	local version
	version=$(git describe --tags --always --dirty 2>/dev/null || cat VERSION 2>/dev/null || echo unknown)
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$1" "$2"
}

# replace SOURCE TARGET: TARGET changes in one step, so that a running server or a reader never sees half of it.
replace() {
	cp -p "$1" "$2.new"
	mv -f "$2.new" "$2"
}

ours() { [ -f "$1" ] && grep -q "$marker" "$1"; }

# The files of the Python tool, as its releases have them, that stand in directory $1.
python_files() {
	local name
	for name in ftp_server.py ftp_v5 pyftpdlib qcloud_cos setup.py requirements requirements.txt cos_ftp_server.egg-info build dist; do
		if [ -e "$1/$name" ] && ! ours "$1/$name"; then say "$name"; fi
	done
}

install_into() {
	local dir=$1 name
	[ -n "$dir" ] || die "install needs the deployment's directory: ./setup.sh install DIR"
	build "$program" .
	mkdir -p "$dir/conf" "$dir/log"
	dir=$(readlink -f "$dir")
	[ "$dir" != "$PWD" ] || die "$dir is the source itself: install into another directory"
	for name in $(python_files "$dir"); do
		mkdir -p "$dir/$aside"
		[ ! -e "$dir/$aside/$name" ] || die "$dir/$aside/$name is there already, and $dir/$name too: move one away"
		# The launcher is copied, then replaced, so that a start finds one or the other at any moment.
		if [ "$name" = ftp_server.py ]; then cp -p "$dir/$name" "$dir/$aside/$name"; else mv "$dir/$name" "$dir/$aside/$name"; fi
	done
	replace "$program" "$dir/$program"
	replace ftp_server.py "$dir/ftp_server.py"
	replace conf/vsftpd.conf.example "$dir/$example" # beside the Python tool's own example, which stays
	say "installed into $dir"
	if [ -d "$dir/$aside" ]; then say "the Python tool is kept in $dir/$aside; ./setup.sh uninstall $dir brings it back"; fi
	if [ -f "$dir/conf/vsftpd.conf" ]; then
		say "a running server goes on unchanged; stop and start it as before:"
	else
		say "copy $dir/$example to $dir/conf/vsftpd.conf, fill it in, then start:"
	fi
	say "  cd $dir && nohup $(start_words) >> /dev/null 2>&1 &"
}

# What starts the server here: a Python, or the program itself where there is none that runs.
start_words() {
	local python
	for python in python python3; do
		if "$python" -c '' 2> /dev/null; then say "$python ftp_server.py"; return; fi
	done
	say "./$program"
}

uninstall_from() {
	local dir=$1 name
	[ -d "$dir" ] || die "uninstall needs the deployment's directory: ./setup.sh uninstall DIR"
	dir=$(readlink -f "$dir")
	[ "$dir" != "$PWD" ] || die "$dir is the source itself, not an installation"
	if [ -d "$dir/$aside" ]; then
		for name in $(python_files "$dir/$aside"); do mv -f "$dir/$aside/$name" "$dir/$name"; done
		rmdir "$dir/$aside" || die "$dir/$aside holds files that install did not put there: look at them"
	fi
	if ours "$dir/ftp_server.py"; then rm -f "$dir/ftp_server.py"; fi
	rm -f "$dir/$program" "$dir/$example"
	say "uninstalled from $dir; conf and log are as they were"
}

# demo_conf DIR STORE ADDRESS PORT PASSWORD: a configuration for one account on the store.
demo_conf() {
	cat <<EOF
[COS_ACCOUNT_0]
cos_secretid = demo-id
cos_secretkey = demo-key
cos_bucket = demo-1250000000
cos_region = ap-guangzhou
cos_protocol = http
cos_address = $2
home_dir = $1/home
ftp_login_user_name = user
ftp_login_user_password = $5
authority = RW
delete_enable = true

[NETWORK]
listen_address = $3
listen_port = $4
passive_port = 60000,60100

[OPTIONAL]
config_check_enable = false
EOF
}

# free_port ADDRESS: the first port from demo_port on where nobody listens.
free_port() {
	local port
	for ((port = demo_port; port < demo_port + 100; port++)); do
		if ! (exec 3<> "/dev/tcp/$1/$port") 2> /dev/null; then
			say "$port"
			return
		fi
	done
	die "ports $demo_port to $((port - 1)) of $1 are all taken"
}

# demo_hints ADDRESS PORT PASSWORD
demo_hints() {
	local url=ftp://user:$3@$1:$2
	cat <<EOF

FTP server:  $url
curl:        curl -T README.md $url/docs/ --ftp-create-dirs
             curl $url/docs/
lftp:        lftp -u user,$3 -p $2 -e 'mirror -R docs; ls docs; bye' $1
FileZilla:   host $1, port $2, protocol FTP, encryption "Only use plain FTP", user user, password $3
The store is in memory: it is gone when you press Ctrl-C.
EOF
}

end_demo() {
	local process
	for process in $server $store; do
		kill "$process" || true
		wait "$process" || true
	done 2> /dev/null
	rm -rf "$dir"
}

demo() { # ADDRESS
	local address=${1:-127.0.0.1} password=password port
	[ "$address" = 127.0.0.1 ] || password=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
	dir=$(mktemp -d) # not local: the traps run when the function has ended
	store="" server=""
	trap end_demo EXIT
	trap 'exit 0' INT TERM HUP
	build "$program" .
	build "$dir/cosd" ./cosfs/costest/cosd
	touch "$dir/cosd.out" "$dir/server.out"
	"$dir/cosd" -listen 127.0.0.1:0 -bucket demo-1250000000 -id demo-id -key demo-key > "$dir/cosd.out" &
	store=$!
	until grep -q 127.0.0.1 "$dir/cosd.out"; do kill -0 $store 2> /dev/null || die "the demo store did not start"; sleep 0.1; done
	port=$(free_port "$address")
	mkdir "$dir/home"
	demo_conf "$dir" "$(grep -o '127.0.0.1:[0-9]*' "$dir/cosd.out" | head -n 1)" "$address" "$port" "$password" > "$dir/vsftpd.conf"
	(cd "$dir" && exec "$OLDPWD/$program" -conf "$dir/vsftpd.conf" > "$dir/server.out") &
	server=$!
	until grep -q starting "$dir/server.out"; do kill -0 $server 2> /dev/null || die "the server did not start on $address:$port"; sleep 0.1; done
	demo_hints "$address" "$port" "$password"
	wait $server
}

# Are the clients of compat_test's TestRoundTrips here?
client_deps() {
	local command
	for command in ruby perl php ftp-ssl gio dbus-run-session rclone wput wget aria2c axel inetutils-ftp; do
		command -v "$command" > /dev/null || return
	done
	ruby -e 'require "net/ftp"' && perl -MNet::FTP -MIO::Socket::SSL -MLWP -e 1 && /usr/bin/python3 -c "import pycurl, ftputil, aioftp" && php -r 'exit(extension_loaded("ftp") ? 0 : 1);' &&
		[ -e /usr/share/gvfs/mounts/ftps.mount ]
}

test_deps() {
	local missing="" command
	for command in curl lftp ncftpput tnftp openssl screen ps python3 gcc; do
		command -v "$command" > /dev/null || missing=yes
	done
	if [ -n "$missing" ] || [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then
		apt_install ca-certificates curl lftp ncftp tnftp openssl screen procps python3 gcc libc6-dev
	fi
	client_deps || {
		apt_install ruby libio-socket-ssl-perl php-cli ftp-ssl libglib2.0-bin gvfs-backends dbus rclone wput wget aria2 axel \
			inetutils-ftp libwww-perl python3-pycurl python3-ftputil python3-aioftp
		client_deps || die "clients that the tests need are missing: ruby, perl and php with FTPS, ftp-ssl, gio with gvfs, rclone, wput, wget, aria2, axel, inetutils-ftp, LWP, and python3 with pycurl, ftputil, aioftp"
	}
	command -v npm > /dev/null || apt_install nodejs npm
	(cd compat_test/clients/testdata/node && npm ci --silent --no-audit --no-fund)
}

builds() {
	local target
	for target in $systems; do
		say "building for $target"
		GOOS=${target%/*} GOARCH=${target#*/} CGO_ENABLED=0 go vet ./...
		GOOS=${target%/*} GOARCH=${target#*/} CGO_ENABLED=0 go build -o /dev/null .
	done
}

# test_arm64 tests one package after the other, without the race detector, which does not run in the emulator. Of
# compat_test it is the program alone that is emulated, and the tests are those that talk to it and look at what it stores.
test_arm64() { # [PACKAGE...]
	local packages=("$@") status=0
	local compat="TestReplay|TestOptionsAtWork|TestListenAddresses|TestNamesAsTheyAre|TestRequestsOfBigDownload|TestRightsTable"
	compat+="|TestKilledAtAnyMoment|TestStopLetsTransfersFinish"
	command -v qemu-aarch64 > /dev/null || apt_install qemu-user
	if [ $# = 0 ]; then
		mapfile -t packages < <(go list ./... | grep -v -e '/compat_test/' -e '/cosd$' -e '/ops/process$')
		say "not tested as arm64: ops/process (all threads of the process become another user, and one is the emulator's own)"
		say "not tested as arm64: cosfs/costest/cosd (its test starts the program, which is not emulated)"
		say "not tested as arm64: most of compat_test (the process that its tests look at from outside is the emulator)"
	fi
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go test -exec qemu-aarch64 -count=1 -p 1 -timeout 1h "${packages[@]}" || status=$?
	if [ $# = 0 ]; then
		COMPAT_ARM64_EMULATOR=qemu-aarch64 go test -count=1 ./compat_test/... -run "^($compat)\$" || status=$?
	fi
	return "$status"
}

test_all() {
	local unformatted
	test_deps
	build "$program" .
	unformatted=$(gofmt -l .)
	[ -z "$unformatted" ] || die "gofmt would change: $unformatted"
	builds
	go run "$staticcheck" ./...
	tests ./...
}

# tests ARGUMENT...: go test, which prints what fails as it fails and again at the end, then the slowest tests and what
# could not be tested on this machine.
tests() {
	local status=0
	events=$(mktemp) # not local: the trap runs when the function has ended
	trap 'rm -f "$events"' EXIT
	go run "$gotestsum" --format pkgname-and-test-fails --jsonfile "$events" -- -race -timeout 40m "$@" || status=$?
	say "" "The slowest tests:"
	go run "$gotestsum" tool slowest --num 20 --jsonfile "$events"
	grep -o 'not tested here: [^"\\]*' "$events" | sort -u || true
	return "$status"
}

# The tests of compat_test that have a long form; their numbers are printed.
soak() { # MINUTES
	local minutes=${1:-30}
	[[ $minutes =~ ^[1-9][0-9]*$ ]] || die "soak takes a number of minutes: ./setup.sh soak 30"
	go test ./compat_test/endurance -run 'TestSoak|TestMemoryLimit' -v -soak "${minutes}m" -timeout "$((minutes + 20))m"
	go test ./compat_test/faults -run 'TestHistories$' -v -histories 1000 -timeout 2h
	go test ./compat_test/faults -run 'TestTransfersOutlastOutages' -v -outages 5,15,30,120 -parallel 8 -timeout 1h
	go test ./compat_test/faults -run 'TestNoMixtures|TestRenameStorm' -v -interruptions 10 -rename-rounds 50 -rename-files 2000 -timeout 1h
}

case "${1:-build}" in
	build | demo | test | builds | arm64 | soak | vulncheck | install) use_go ;;
esac
case "${1:-build}" in
	build) build "$program" . ;;
	demo) demo "${2:-}" ;;
	test) test_all ;;
	builds) builds ;;
	arm64) test_arm64 "${@:2}" ;;
	test-deps) test_deps ;;
	soak) soak "${2:-}" ;;
	vulncheck) go run "$govulncheck" ./... ;;
	install) install_into "${2:-}" ;;
	uninstall) uninstall_from "${2:-}" ;;
	help | -h | --help) usage ;;
	*) usage >&2; exit 2 ;;
esac
