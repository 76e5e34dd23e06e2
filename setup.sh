#!/usr/bin/env bash
# Builds, tries, tests and installs cos-ftp-server. `./setup.sh help` lists what it does.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

program=cos-ftp-server
aside=python-original                 # where the files of the Python tool go on install
example=conf/cos-ftp-server.conf.example
marker="Launcher of cos-ftp-server"   # tells our ftp_server.py from the Python tool's
staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2
govulncheck=golang.org/x/vuln/cmd/govulncheck@v1.8.0

usage() {
	cat <<'EOF'
./setup.sh                build ./cos-ftp-server (static, version stamped)
./setup.sh demo           build and serve an embedded COS-compatible store on ftp://127.0.0.1:2121, until Ctrl-C
./setup.sh test           install what the tests need and run everything that CI runs
./setup.sh soak [MINUTES] 300 clients doing everything while COS fails and the server is killed (30 minutes; Linux), then
                          histories of clients on shared names, interrupted clients and renames (some 40 minutes)
./setup.sh vulncheck      look for known vulnerabilities (asks vuln.go.dev)
./setup.sh test-deps      only install what the tests need (Debian or Ubuntu, root)
./setup.sh install DIR    put the server into DIR, a deployment of the Python tool or a new directory
./setup.sh uninstall DIR  undo install: the Python tool is back, conf and log stay
EOF
}

say() { printf '%s\n' "$*"; }
die() { printf 'setup.sh: %s\n' "$*" >&2; exit 1; }

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
	[ -n "$dir" ] && [ -d "$dir" ] || die "uninstall needs the deployment's directory: ./setup.sh uninstall DIR"
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

# demo_conf DIR STORE: a configuration for one account on the store.
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
ftp_login_user_password = password
authority = RW
delete_enable = true

[NETWORK]
listen_address = 127.0.0.1
listen_port = 2121
passive_port = 60000,60100

[OPTIONAL]
config_check_enable = false
EOF
}

demo() {
	dir=$(mktemp -d) # not local: the trap below runs when the function has ended
	store="" server=""
	touch "$dir/cosd.out" "$dir/server.out"
	build "$program" .
	build cosd ./cosfs/costest/cosd
	./cosd -listen 127.0.0.1:0 -bucket demo-1250000000 -id demo-id -key demo-key > "$dir/cosd.out" &
	store=$!
	trap 'for process in $server $store; do kill "$process" || true; wait "$process" || true; done 2> /dev/null; rm -rf "$dir"' EXIT
	trap 'exit 0' INT TERM
	until grep -q 127.0.0.1 "$dir/cosd.out"; do kill -0 $store 2>/dev/null || die "the demo store did not start"; sleep 0.1; done
	mkdir "$dir/home"
	demo_conf "$dir" "$(grep -o '127.0.0.1:[0-9]*' "$dir/cosd.out" | head -n 1)" > "$dir/vsftpd.conf"
	(cd "$dir" && exec "$OLDPWD/$program" -conf "$dir/vsftpd.conf" > "$dir/server.out") &
	server=$!
	until grep -q starting "$dir/server.out"; do kill -0 $server 2>/dev/null || die "the server did not start (is port 2121 in use?)"; sleep 0.1; done
	cat <<'EOF'

FTP server:  ftp://user:password@127.0.0.1:2121
Try:         curl -T README.md ftp://user:password@127.0.0.1:2121/docs/ --ftp-create-dirs
             curl ftp://user:password@127.0.0.1:2121/docs/
The store is in memory: it is gone when you press Ctrl-C.
EOF
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
	for command in curl lftp ncftpput tnftp openssl screen ps python3; do
		command -v "$command" > /dev/null || missing=yes
	done
	if [ -n "$missing" ]; then
		apt-get update -q
		DEBIAN_FRONTEND=noninteractive apt-get install -y -q curl lftp ncftp tnftp openssl screen procps python3
	fi
	if ! command -v python2.7 > /dev/null; then
		apt-get install -y -q python2.7 || die "the tests need python2.7, the interpreter of the original: install it and run again"
	fi
	client_deps || {
		apt-get update -q
		DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends ruby libio-socket-ssl-perl php-cli ftp-ssl \
			libglib2.0-bin gvfs-backends dbus rclone wput wget aria2 axel inetutils-ftp libwww-perl python3-pycurl python3-ftputil python3-aioftp
		client_deps || die "clients that the tests need are missing: ruby, perl and php with FTPS, ftp-ssl, gio with gvfs, rclone, wput, wget, aria2, axel, inetutils-ftp, LWP, and python3 with pycurl, ftputil, aioftp"
	}
	command -v npm > /dev/null || apt-get install -y -q nodejs npm
	(cd compat_test/testdata/node && npm ci --silent --no-audit --no-fund)
}

test_all() {
	local unformatted
	test_deps
	build "$program" .
	unformatted=$(gofmt -l .)
	[ -z "$unformatted" ] || die "gofmt would change: $unformatted"
	go vet ./...
	go run "$staticcheck" ./...
	go test -race -timeout 40m ./...
}

# The tests of compat_test that have a long form; their numbers are printed.
soak() { # MINUTES
	local minutes=${1:-30}
	[[ $minutes =~ ^[1-9][0-9]*$ ]] || die "soak takes a number of minutes: ./setup.sh soak 30"
	go test ./compat_test -run 'TestSoak|TestMemoryLimit' -v -soak "${minutes}m" -timeout "$((minutes + 20))m"
	go test ./compat_test -run 'TestHistories$' -v -histories 1000 -timeout 2h
	go test ./compat_test -run 'TestTransfersOutlastOutages' -v -outages 5,15,30,120 -parallel 8 -timeout 1h
	go test ./compat_test -run 'TestNoMixtures|TestRenameStorm' -v -interruptions 10 -rename-rounds 50 -rename-files 2000 -timeout 1h
}

case "${1:-build}" in
	build) build "$program" . ;;
	demo) demo ;;
	test) test_all ;;
	test-deps) test_deps ;;
	soak) soak "${2:-}" ;;
	vulncheck) go run "$govulncheck" ./... ;;
	install) install_into "${2:-}" ;;
	uninstall) uninstall_from "${2:-}" ;;
	help | -h | --help) usage ;;
	*) usage >&2; exit 2 ;;
esac
