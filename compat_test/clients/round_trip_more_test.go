package clients

import (
	"path/filepath"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// systemPython has the modules of the system's packages, which another python3 in the path lacks.
const systemPython = "/usr/bin/python3"

// The clients of TestRoundTrips that were added to the first ones: those that only fetch, and libraries.
var moreTripClients = []tripClient{
	{name: "wget", fetches: true, run: (*trip).wget},
	{
		name: "aria2", fetches: true, run: (*trip).aria2,
		lacks: map[string]string{explicitTLS: "it has no FTPS", implicitTLS: "it has no FTPS"},
	},
	{
		name: "axel", fetches: true, run: (*trip).axel, least: 1, // axel 2.17 divides by the size
		lacks: map[string]string{
			explicitTLS: "it has no AUTH TLS", implicitTLS: "it trusts the system's authorities only",
			activeMode: "it sends PORT only where PASV fails", ipv6Host: "it sends PASV only",
		},
	},
	{
		name: "inetutils", run: (*trip).inetutils,
		lacks: map[string]string{explicitTLS: "it has no FTPS", implicitTLS: "it has no FTPS"},
	},
	{
		name: "lwp", run: func(c *trip) string { return c.script("perl", "round_trip_lwp.pl") },
		lacks: map[string]string{explicitTLS: "LWP has no FTPS", implicitTLS: "LWP has no FTPS"},
	},
	{name: "pycurl", run: func(c *trip) string { return c.script(systemPython, "round_trip_pycurl.py") }, lacksActiveTLS: true},
	{
		name: "ftputil", run: func(c *trip) string { return c.script(systemPython, "round_trip_ftputil.py") },
		lacks: map[string]string{implicitTLS: "it uses ftplib"}, needsUnix: true,
	},
	{
		name: "aioftp", run: func(c *trip) string { return c.script(systemPython, "round_trip_aioftp.py") },
		lacks: map[string]string{explicitTLS: "aioftp 0.21 has no AUTH TLS", implicitTLS: "it sends no PROT P", activeMode: "it knows PASV and EPSV only"},
	},
}

// urls are those of the files that a client fetches.
func (c *trip) urls(scheme string) (urls []string) {
	for _, size := range c.sizes {
		urls = append(urls, scheme+"://user0:pass0@"+c.at()+"/"+c.name+"/"+tripFile(size))
	}
	return urls
}

func (c *trip) wget() string {
	scheme, args := "ftp", []string{"-nv", "-P", "down", "--ca-certificate=" + c.cert, "--tries=1"}
	if c.mode == activeMode {
		args = append(args, "--no-passive-ftp")
	}
	if c.secure != noTLS {
		scheme = "ftps"
	}
	if c.secure == implicitTLS {
		args = append(args, "--ftps-implicit")
	}
	return c.command("", rig.FindCommand(c.t, "wget"), append(args, c.urls(scheme)...)...)
}

// aria2 fetches the parts of each file at once. A session that hangs would wait for a minute and more, longer than a
// client may take here.
func (c *trip) aria2() string {
	args := []string{"-x4", "-s4", "-k1M", "-d", "down", "--max-tries=1", "--file-allocation=none", "--summary-interval=0", "-Z"}
	if c.mode == activeMode {
		args = append(args, "--ftp-pasv=false")
	}
	return c.command("", rig.FindCommand(c.t, "aria2c"), append(args, c.urls("ftp")...)...)
}

func (c *trip) axel() string {
	output := ""
	for i, url := range c.urls("ftp") {
		output += c.command("", rig.FindCommand(c.t, "axel"), "-q", "-n", "4", "-o", filepath.Join("down", tripFile(c.sizes[i])), url)
	}
	return output
}

func (c *trip) inetutils() string {
	args := []string{"-n", "-i", "-v"}
	if c.mode == "passive" {
		args = append(args, "-p")
	}
	return c.command(c.fill("round_trip_netkit.txt"), rig.FindCommand(c.t, "inetutils-ftp"), append(args, c.host, c.port)...)
}
