package confcheck

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tencentyun/cos-ftp-server/conf"
)

// recordedCheck is what the Python original's check of memory said, on a machine with 2 CPUs.
type recordedCheck struct {
	connections, listed, threads int
	part, size                   int64
	available                    int64 // shortly before the start
	need                         int64 // by its formula
	starts                       bool
	here                         string // why it starts here although it does not there
}

var recordedChecks = []recordedCheck{
	{512, 10000, 8, 2 * mib, 21474836480, 18528706560, 4268604484, true, ""},
	{1000, 10000, 8, 2 * mib, 21474836480, 18528706560, 8314560756, true, ""},
	{1000, 10000, 8, 2 * mib, 214748364800, 18528706560, 18113528727, false, "the original's own example: our memory does not grow with part size times connections"},
	{512, 10000, 8, 2 * mib, 214748364800, 18528706560, 9351698323, true, ""},
	{100, 10000, 8, 2 * mib, 214748364800, 18528706560, 1954415277, true, ""},
	{20000, 10000, 8, 2 * mib, 21474836480, 18528706560, 165841546756, false, ""},
	{512, 10000, 8, 2 * mib, 40000 << 30, 22192603136, 1133280215040, false, "parts of 4 GiB: our memory does not grow with part size times connections"},
}

func (r recordedCheck) config() *conf.Config {
	return &conf.Config{
		File: "vsftpd.conf", MaxConnectionNum: r.connections, MaxListFile: r.listed, UploadThreadNum: r.threads, DownloadThreadNum: 8,
		MinPartSize: r.part, SingleFileMaxSize: r.size, PassiveFirst: 60000, PassiveLast: 65535, LogDir: "log",
	}
}

func TestMemoryChecksOfTheOriginal(t *testing.T) {
	for _, r := range recordedChecks {
		cfg, m := r.config(), fakeMachine()
		m.MemAvailable, m.HostMemAvailable = r.available, r.available
		if r.size < 40000<<30 { // there the recording has the sum for 512 connections and 1000 names
			if got := originalNeed(cfg); got != r.need {
				t.Errorf("%+v: the original's need is %d here", r, got)
			}
		}
		report := Run(context.Background(), cfg, m, Options{})
		refused := len(report.Problems) > 0
		if starts := r.starts || r.here != ""; starts == refused {
			t.Errorf("%+v: problems %q", r, report.Problems)
		}
		if !refused {
			continue
		}
		for _, part := range []string{
			"60% of the currently available memory is:", ", and cos ftp server requires a maximum of memory:",
			". Please consider to decrease the max connection num or release some system memory.You can also disable the config check by setting 'config_check_enable' to false",
		} {
			if !strings.Contains(report.Problems[0], part) {
				t.Errorf("no %q in %q", part, report.Problems[0])
			}
		}
	}
}

func TestNeedTextIsTheOriginals(t *testing.T) {
	const want = "60% of the currently available memory is:11111871283.2, and cos ftp server requires a maximum of memory:18113528727"
	if got := needText(18519785472, 18113528727); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// rawConf is what a conf file says, and what the original and we read.
type rawConf struct {
	connections, listed, threads int
	part, size                   int64
	cpus                         int
	available                    int64
}

func randomConf() rawConf {
	pick := func(n ...int64) int64 { return n[rand.IntN(len(n))] }
	cpus := 1 << rand.IntN(7)
	return rawConf{
		connections: int(pick(1, 2, 3, 4, 10, 100, 512, 1000, 20000, 100000, 1+rand.Int64N(2000), 0)),
		listed:      int(pick(1, 1000, 10000, 1+rand.Int64N(100000))),
		threads:     1 + rand.IntN(8*cpus),
		part:        pick(1, 100000, mib, 2*mib, 1+rand.Int64N(64*mib), 5<<30-1),
		size:        pick(1, mib, 100*mib, 20<<30, 200<<30, 1<<40, 40000<<30, 1+rand.Int64N(40000<<30)),
		cpus:        cpus,
		available:   pick(30*mib, 64*mib, 512*mib, 1<<30, 2<<30, 16<<30, 1<<40, 1+rand.Int64N(64<<30), 1+rand.Int64N(1<<30)),
	}
}

// originalStarts is the original's formula on what it reads.
func (r rawConf) originalStarts() bool {
	n := int64(r.connections)
	if n == 0 {
		n = 512
	}
	part := max(r.part, (r.size+9999)/10000)
	need := 20*mib + (n-1)*2*mib + (n-1)/2*int64(r.listed)*1024 + ((n-1)/2+int64(r.threads))*part
	return 0.6*float64(r.available) >= float64(need)
}

func (r rawConf) config() *conf.Config {
	return &conf.Config{
		File: "vsftpd.conf", MaxConnectionNum: r.connections, MaxListFile: r.listed, UploadThreadNum: r.threads, DownloadThreadNum: 4 * r.cpus,
		MinPartSize: max(r.part, mib), SingleFileMaxSize: r.size, PassiveFirst: 60000, PassiveLast: 65535, LogDir: "log",
	}
}

func TestWhatTheOriginalAcceptsIsAccepted(t *testing.T) {
	accepted, more := 0, 0
	for range 50_000 {
		r := randomConf()
		cfg, m := r.config(), fakeMachine()
		m.MemAvailable, m.HostMemAvailable = r.available, r.available
		if rand.IntN(4) == 0 {
			m.MemAvailable = 1 + rand.Int64N(r.available) // a cgroup, of which the original knows nothing
		}
		report := Run(context.Background(), cfg, m, Options{})
		starts := r.originalStarts()
		if starts && len(report.Problems) > 0 {
			t.Fatalf("%+v: %q", r, report.Problems)
		}
		if starts {
			accepted++
		} else if len(report.Problems) == 0 {
			more++
		}
		// With many connections, and parts that COS takes, it is no favour: our bound is below theirs.
		many := r.connections == 0 || r.connections >= 100
		if starts && many && r.part >= mib && m.MemAvailable == r.available && float64(Estimate(cfg, m)) > 0.6*float64(r.available) {
			t.Fatalf("%+v: estimate %d is over 60 %%", r, Estimate(cfg, m))
		}
	}
	if accepted < 1000 || more < 1000 {
		t.Errorf("%d confs accepted by the original, %d more by us: the test shows too little", accepted, more)
	}
}

func TestTransferMemory(t *testing.T) {
	cfg := recordedChecks[0].config() // parts of 2 MiB and a little
	for _, c := range []struct {
		what              string
		given, available  int64
		size, least, most int64
		problem           string
	}{
		{"much memory", 0, 64 << 30, 20 << 30, 512 * mib, 512 * mib, ""},
		{"an eighth", 0, 2 << 30, 20 << 30, 256 * mib, 256 * mib, ""},
		{"four parts", 0, 64 << 30, 10000 << 30, 4 * 1024 * mib, 4*1024*mib + 8*mib, ""},
		{"little memory", 0, 220 * mib, 20 << 30, 9 * mib, 22 * mib, ""},
		{"unknown memory", 0, 0, 20 << 30, 4 * 2 * mib, 20 * mib, ""},
		{"given", 300 * mib, 64 << 30, 20 << 30, 300 * mib, 300 * mib, ""},
		{"given, too little for two parts", 5 * mib, 64 << 30, 200 << 30, 45 * mib, 45 * mib, "transfer_memory = 5242880: too little for two parts"},
		{"given, too much for the machine", 8 << 30, 8 << 30, 20 << 30, 8 << 30, 8 << 30, "requires a maximum of memory"},
	} {
		t.Run(c.what, func(t *testing.T) {
			cfg, m := *cfg, fakeMachine()
			cfg.TransferMemory, cfg.SingleFileMaxSize, cfg.MaxConnectionNum = c.given, c.size, 50
			m.MemAvailable, m.HostMemAvailable = c.available, c.available
			if got := TransferMemory(&cfg, m); got < c.least || got > c.most {
				t.Errorf("%d bytes, want %d to %d", got, c.least, c.most)
			}
			report := Run(context.Background(), &cfg, m, Options{})
			if got := strings.Join(report.Problems, "\n"); (c.problem == "") != (got == "") || !strings.Contains(got, c.problem) {
				t.Errorf("problems %q, want %q", got, c.problem)
			}
			if report.Memory != Estimate(&cfg, m) || !strings.Contains(report.Estimate, "requires a maximum of memory:") {
				t.Errorf("estimate %q, %d", report.Estimate, report.Memory)
			}
		})
	}
}

func TestHeapLimit(t *testing.T) {
	cfg := recordedChecks[0].config()
	m := fakeMachine()
	for _, c := range []struct {
		what            string
		available       int64
		least, greatest int64
	}{
		{"much memory", 64 << 30, FixedMemory(cfg), FixedMemory(cfg)},
		{"unknown memory", 0, FixedMemory(cfg), FixedMemory(cfg)},
		{"a cgroup that is too small", 512 * mib, 300 * mib, 410 * mib},
		{"hardly any memory", 16 * mib, baseBytes, baseBytes},
	} {
		m.MemAvailable = c.available
		if got := HeapLimit(cfg, m); got < c.least || got > c.greatest {
			t.Errorf("%s: %d bytes, want %d to %d", c.what, got, c.least, c.greatest)
		}
		if got := HeapLimit(cfg, m) + TransferMemory(cfg, m); c.available > 100*mib && got > c.available {
			t.Errorf("%s: %d bytes in all", c.what, got)
		}
	}
}

func TestReadMemory(t *testing.T) {
	meminfo := "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\nBuffers: 10 kB\n"
	const host = 8000000 * kib
	for _, c := range []struct {
		what      string
		files     map[string]string
		host, own int64
	}{
		{"no cgroup", map[string]string{"proc/meminfo": meminfo}, host, host},
		{"nothing known", nil, 0, 0},
		{"old kernel", map[string]string{"proc/meminfo": "MemFree: 5 kB\nBuffers: 3 kB\nCached: 2 kB\n"}, 10 * kib, 10 * kib},
		{"version 2, no limit", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/user.slice\n",
			"sys/fs/cgroup/user.slice/memory.max": "max\n", "sys/fs/cgroup/user.slice/memory.current": "5\n",
		}, host, host},
		{"version 2, limit above", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/b/memory.current": "5\n",
			"sys/fs/cgroup/a/memory.max": "1000000\n", "sys/fs/cgroup/a/memory.current": "400000\n",
			"sys/fs/cgroup/a/memory.stat": "anon 1\ninactive_file 100000\n",
		}, host, 700000},
		{"version 2 in a container", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/docker/abc\n",
			"sys/fs/cgroup/memory.max": "1000000\n", "sys/fs/cgroup/memory.current": "400000\n",
		}, host, 600000},
		{"version 1", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/y\n0::/\n",
			"sys/fs/cgroup/memory/y/memory.limit_in_bytes": "2000000\n", "sys/fs/cgroup/memory/y/memory.usage_in_bytes": "1500000\n",
			"sys/fs/cgroup/memory/y/memory.stat":         "inactive_file 7\ntotal_inactive_file 500000\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n", "sys/fs/cgroup/memory/memory.usage_in_bytes": "1\n",
		}, host, 1000000},
		{"full", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n",
			"sys/fs/cgroup/memory.max": "1000\n", "sys/fs/cgroup/memory.current": "1000\n",
		}, host, 1},
	} {
		root := fstest.MapFS{}
		for name, text := range c.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if gotHost, gotOwn := readMemory(root); gotHost != c.host || gotOwn != c.own {
			t.Errorf("%s: %d and %d, want %d and %d", c.what, gotHost, gotOwn, c.host, c.own)
		}
	}
}

// TestBansAreInTheEstimate: the figures are those that TestBanTableIsBounded of ftpserver measures, and some more.
func TestBansAreInTheEstimate(t *testing.T) {
	c := recordedChecks[0].config()
	without := FixedMemory(c)
	c.BanAfter = 100
	if more := FixedMemory(c) - without; more < 16*mib || more > 32*mib {
		t.Errorf("ban_after = 100 adds %d bytes", more)
	}
}

// What list_metadata opens to COS is counted.
func TestListMetadataIsCounted(t *testing.T) {
	cfg := recordedChecks[0].config()
	memory, files := FixedMemory(cfg), openFiles(cfg)
	cfg.ListMetadata = true
	if more := FixedMemory(cfg) - memory; more != 32*remoteBytes {
		t.Errorf("%d bytes more", more)
	}
	if more := openFiles(cfg) - files; more != 32 {
		t.Errorf("%d open files more", more)
	}
}
