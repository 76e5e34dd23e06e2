package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	mib = 1 << 20
	gib = 1 << 30
)

// result is one row of the table.
type result struct {
	name, value, want string
	floor             string // the raw copy of the same run
}

// loadCase is one measurement: it gets a fresh store and server.
type loadCase struct {
	name  string
	setup setup
	run   func(r *running) ([]result, error)
}

func cases() []loadCase {
	fast := []string{"-discard", "-no-md5"}
	slow := append([]string{"-latency", "20ms"}, fast...)
	capped := append([]string{"-bandwidth", fmt.Sprint(30 * mib)}, fast...)
	// The most that a conf may set on two processors: what a capped store needs is connections.
	const threads = "upload_thread_num = 16\ndownload_thread_num = 16"
	return []loadCase{
		{"upload", setup{store: fast}, uploadOne},
		{"download", setup{store: fast}, downloadOne},
		{"tls", setup{store: fast, tls: true}, overTLS},
		{"uploads8", setup{store: fast}, uploadEight},
		{"upload-capped", setup{store: capped, option: threads}, uploadCapped},
		{"download-capped", setup{store: capped, option: threads}, downloadCapped},
		{"latency", setup{store: slow}, latency},
		{"small", setup{store: slow}, smallFiles},
		{"small-cpu", setup{store: fast}, smallCPU},
		{"list", setup{store: slow}, listing},
		{"storm", setup{store: slow}, storm},
		{"idle", setup{store: fast}, idle},
		{"idle-used", setup{store: fast}, idleUsed},
		{"budget", setup{store: fast, option: "transfer_memory = 134217728"}, budget},
		{"full", setup{store: fast, option: "max_connection_num = 512"}, full},
	}
}

// rate measures how many MiB/s and CPU seconds per GiB of the server fn takes for size bytes.
func rate(r *running, size int64, fn func() error) (mibs, cpuPerGiB float64, err error) {
	pid := r.server.Process.Pid
	used, start := cpu(pid), time.Now()
	err = fn()
	took := time.Since(start).Seconds()
	return float64(size) / mib / took, (cpu(pid) - used) / (float64(size) / gib), err
}

func uploadOne(r *running) ([]result, error) { return bulk(r, "upload", 4*gib) }

func downloadOne(r *running) ([]result, error) { return bulk(r, "download", 4*gib) }

// bulk moves one large file after a warm-up.
func bulk(r *running, direction string, size int64) ([]result, error) {
	c, err := connect(r.addr)
	if err != nil {
		return nil, err
	}
	defer c.close()
	move := func(size int64) error { return c.stor("big.bin", size) }
	if direction == "download" {
		if err := c.stor("big.bin", size); err != nil {
			return nil, err
		}
		move = func(want int64) error { return c.wholeFile("big.bin", size) }
	} else if err := move(256 * mib); err != nil {
		return nil, err
	}
	floor, floorCPU, err := relay(size)
	if err != nil {
		return nil, err
	}
	mibs, perGiB, err := rate(r, size, func() error { return move(size) })
	name := "1 " + direction + " of " + fmt.Sprint(size/gib) + " GiB"
	return []result{
		{name: name + ", MiB/s", value: fmt.Sprintf("%.0f", mibs), floor: fmt.Sprintf("%.0f", floor)},
		{name: "… CPU s/GiB", value: fmt.Sprintf("%.2f", perGiB), floor: fmt.Sprintf("%.2f", floorCPU)},
		{name: "… peak RSS, MiB", value: fmt.Sprintf("%.0f", memory(r.server.Process.Pid, "VmHWM"))},
	}, err
}

// overTLS moves a large file in plain and over FTPS, in turn, so that both meet the same machine.
func overTLS(r *running) ([]result, error) {
	const size, rounds = gib, 3
	var all []result
	for _, direction := range []string{"upload", "download"} {
		var mibs, perGiB [2]float64
		for range rounds {
			for i, config := range []*tls.Config{nil, r.tls} {
				m, p, err := bulkOver(r, config, direction, size)
				if err != nil {
					return nil, err
				}
				mibs[i], perGiB[i] = mibs[i]+m/rounds, perGiB[i]+p/rounds
			}
		}
		all = append(all,
			result{name: "1 " + direction + " over FTPS, MiB/s (plain; ratio)", value: fmt.Sprintf("%.0f (%.0f; %.2f)", mibs[1], mibs[0], mibs[1]/mibs[0])},
			result{name: "… CPU s/GiB (plain)", value: fmt.Sprintf("%.2f (%.2f)", perGiB[1], perGiB[0])})
	}
	return all, nil
}

func bulkOver(r *running, config *tls.Config, direction string, size int64) (mibs, cpuPerGiB float64, err error) {
	c, err := connectOver(r.addr, config)
	if err != nil {
		return 0, 0, err
	}
	defer c.close()
	return rate(r, size, func() error {
		if direction == "upload" {
			return c.stor("tls.bin", size)
		}
		return c.wholeFile("tls.bin", size)
	})
}

func (c *client) wholeFile(name string, want int64) error {
	n, err := c.retr(name)
	if err == nil && n != want {
		err = fmt.Errorf("%s: %d bytes of %d", name, n, want)
	}
	return err
}

// parallel runs fn for n clients at once.
func parallel(r *running, n int, fn func(i int, c *client) error) error {
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			c, err := connect(r.addr)
			if err == nil {
				err = fn(i, c)
				c.close()
			}
			errs[i] = err
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func uploadEight(r *running) ([]result, error) {
	const each = 512 * mib
	mibs, perGiB, err := rate(r, 8*each, func() error {
		return parallel(r, 8, func(i int, c *client) error { return c.stor(fmt.Sprintf("p%d.bin", i), each) })
	})
	return []result{
		{name: "8 uploads in parallel, MiB/s", value: fmt.Sprintf("%.0f", mibs), want: "≥ 1000"},
		{name: "… CPU s/GiB", value: fmt.Sprintf("%.2f", perGiB)},
		{name: "… peak RSS, MiB", value: fmt.Sprintf("%.0f", memory(r.server.Process.Pid, "VmHWM"))},
	}, err
}

func uploadCapped(r *running) ([]result, error) { return capped(r, "upload") }

func downloadCapped(r *running) ([]result, error) { return capped(r, "download") }

func capped(r *running, direction string) ([]result, error) {
	c, err := connect(r.addr)
	if err != nil {
		return nil, err
	}
	defer c.close()
	fn := func() error { return c.stor("capped.bin", gib) }
	if direction == "download" {
		if err := fn(); err != nil {
			return nil, err
		}
		fn = func() error { return c.wholeFile("capped.bin", gib) }
	}
	mibs, _, err := rate(r, gib, fn)
	return []result{{name: "1 " + direction + ", 30 MiB/s per connection, MiB/s", value: fmt.Sprintf("%.0f", mibs), want: "≥ 400"}}, err
}

func latency(r *running) ([]result, error) {
	const rounds = 50
	c, err := connect(r.addr)
	if err != nil {
		return nil, err
	}
	defer c.close()
	up, err := each(rounds, func(i int) error { return c.stor(fmt.Sprintf("l%d", i), 4096) })
	if err != nil {
		return nil, err
	}
	down, err := each(rounds, func(i int) error { return c.wholeFile(fmt.Sprintf("l%d", i), 4096) })
	return []result{
		{name: "4 KiB upload, 20 ms store: ms", value: fmt.Sprintf("%.1f", up), want: "≤ 25"},
		{name: "4 KiB download, 20 ms store: ms", value: fmt.Sprintf("%.1f", down), want: "≤ 23"},
	}, err
}

// each runs fn n times and returns the mean in milliseconds.
func each(n int, fn func(i int) error) (float64, error) {
	start := time.Now()
	for i := range n {
		if err := fn(i); err != nil {
			return 0, err
		}
	}
	return time.Since(start).Seconds() * 1000 / float64(n), nil
}

func smallFiles(r *running) ([]result, error) {
	const files = 100
	start := time.Now()
	err := parallel(r, 8, func(i int, c *client) error {
		for k := range files {
			if err := c.stor(fmt.Sprintf("s%d-%d", i, k), 1024); err != nil {
				return err
			}
		}
		return nil
	})
	perSecond := 8 * files / time.Since(start).Seconds()
	return []result{{name: "1 KiB uploads by 8 clients, 20 ms store, files/s", value: fmt.Sprintf("%.0f", perSecond), want: "≥ 320"}}, err
}

func smallCPU(r *running) ([]result, error) {
	const files = 2000
	c, err := connect(r.addr)
	if err != nil {
		return nil, err
	}
	defer c.close()
	pid := r.server.Process.Pid
	measure := func(fn func(i int) error) (float64, error) {
		used := cpu(pid)
		_, err := each(files, fn)
		return (cpu(pid) - used) * 1000 / files, err
	}
	up, err := measure(func(i int) error { return c.stor(fmt.Sprintf("c%d", i), 1024) })
	if err != nil {
		return nil, err
	}
	down, err := measure(func(i int) error { return c.wholeFile(fmt.Sprintf("c%d", i), 1024) })
	return []result{
		{name: "small files, server CPU ms each, up", value: fmt.Sprintf("%.2f", up), want: "≤ 1.0"},
		{name: "… down", value: fmt.Sprintf("%.2f", down), want: "≤ 0.6"},
	}, err
}

// fill makes n files in dir.
func fill(r *running, dir string, n int) error {
	return parallel(r, 64, func(i int, c *client) error {
		for k := i; k < n; k += 64 {
			if err := c.stor(fmt.Sprintf("%s/file-%06d.txt", dir, k), 10); err != nil {
				return err
			}
		}
		return nil
	})
}

func listing(r *running) ([]result, error) {
	if err := fill(r, "many", 10000); err != nil {
		return nil, err
	}
	c, err := connect(r.addr)
	if err != nil {
		return nil, err
	}
	defer c.close()
	start := time.Now()
	lines, first, err := c.list("many")
	total := time.Since(start)
	if err == nil && lines != 10000 {
		err = fmt.Errorf("LIST: %d lines", lines)
	}
	return []result{
		{name: "LIST of 10,000, 20 ms store, s", value: fmt.Sprintf("%.3f", total.Seconds()), want: "≤ 0.30"},
		{name: "… first byte, s", value: fmt.Sprintf("%.3f", first.Seconds()), want: "≤ 0.05"},
	}, err
}

// storm is 32 clients that log in, upload 1 MiB, download it, delete it, again and again.
func storm(r *running) ([]result, error) {
	const rounds = 20
	start := time.Now()
	err := parallel(r, 32, func(i int, _ *client) error {
		for k := range rounds {
			if err := stormRound(r, fmt.Sprintf("storm-%d-%d", i, k)); err != nil {
				return err
			}
		}
		return nil
	})
	perSecond := 32 * rounds / time.Since(start).Seconds()
	return []result{
		{name: "storm of 32 clients, rounds/s", value: fmt.Sprintf("%.0f", perSecond), want: "≥ 200"},
		{name: "… peak RSS, MiB", value: fmt.Sprintf("%.0f", memory(r.server.Process.Pid, "VmHWM")), want: "≤ 200"},
	}, err
}

func stormRound(r *running, name string) error {
	c, err := connect(r.addr)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.stor(name, mib); err != nil {
		return err
	}
	if err := c.wholeFile(name, mib); err != nil {
		return err
	}
	if err := c.do("DELE "+name, "250"); err != nil {
		return err
	}
	return c.do("QUIT", "221")
}

// idle is 10,000 sessions that do nothing.
func idle(r *running) ([]result, error) {
	results, clients, err := openMeasured(r, 10000)
	closeAll(clients)
	return results, err
}

// idleUsed is sessions that do nothing any more, each after CWD and LIST of 10,000. What the process needs once, for
// whoever lists, is warmed up before the sessions are counted.
func idleUsed(r *running) ([]result, error) {
	const sessions = 2000
	if err := fill(r, "many", 10000); err != nil {
		return nil, err
	}
	if err := listOften(r, 100); err != nil {
		return nil, err
	}
	pid := r.server.Process.Pid
	before := memory(pid, "VmRSS")
	_, clients, err := openMeasured(r, sessions)
	defer closeAll(clients)
	if err != nil {
		return nil, err
	}
	for _, c := range clients {
		if err := errors.Join(c.do("CWD /many", "250"), second(c.list(""))); err != nil {
			return nil, err
		}
	}
	each := (memory(pid, "VmRSS") - before) * 1024 / sessions
	return []result{{name: "RSS per idle session after CWD and LIST of 10,000, KiB", value: fmt.Sprintf("%.1f", each), want: "≤ 20"}}, nil
}

// openMeasured logs in n sessions.
func openMeasured(r *running, n int) ([]result, []*client, error) {
	pid := r.server.Process.Pid
	before := memory(pid, "VmRSS")
	clients, perSecond, err := open(r, n)
	rss := memory(pid, "VmRSS")
	return []result{
		{name: "logins/s", value: fmt.Sprintf("%.0f", perSecond), want: "≥ 2000"},
		{name: fmt.Sprintf("RSS with %d idle sessions, MiB", n), value: fmt.Sprintf("%.0f", rss), want: "≤ 200"},
		{name: "… KiB each", value: fmt.Sprintf("%.1f", (rss-before)*1024/float64(n)), want: "≤ 15"},
	}, clients, err
}

func closeAll(clients []*client) {
	for _, c := range clients {
		c.close()
	}
}

// listOften lists the directory n times with one client.
func listOften(r *running, n int) error {
	return parallel(r, 1, func(_ int, c *client) error {
		for range n {
			if _, _, err := c.list("many"); err != nil {
				return err
			}
		}
		return nil
	})
}

func second(_ int, _ time.Duration, err error) error { return err }

// open logs in n sessions, a few at a time.
func open(r *running, n int) (clients []*client, perSecond float64, err error) {
	clients = make([]*client, n)
	errs := make([]error, 16)
	var wg sync.WaitGroup
	start := time.Now()
	for w := range errs {
		wg.Go(func() {
			for i := w; i < n && errs[w] == nil; i += len(errs) {
				clients[i], errs[w] = connect(r.addr)
			}
		})
	}
	wg.Wait()
	perSecond = float64(n) / time.Since(start).Seconds()
	for i, c := range clients {
		if c == nil {
			clients = clients[:i]
			break
		}
	}
	return clients, perSecond, errors.Join(errs...)
}

// budget is 50 uploads and 50 downloads of 100 MiB at once with little memory.
func budget(r *running) ([]result, error) {
	const each = 100 * mib
	if err := parallel(r, 10, func(i int, c *client) error { return c.stor(fmt.Sprintf("d%d", i), each) }); err != nil {
		return nil, err
	}
	mibs, _, err := rate(r, 100*each, func() error {
		return parallel(r, 100, func(i int, c *client) error {
			if i%2 == 0 {
				return c.stor(fmt.Sprintf("u%d", i), each)
			}
			return c.wholeFile(fmt.Sprintf("d%d", i%10), each)
		})
	})
	return []result{
		{name: "50 up + 50 down of 100 MiB, transfer_memory 128 MiB: MiB/s", value: fmt.Sprintf("%.0f", mibs)},
		{name: "… peak RSS, MiB", value: fmt.Sprintf("%.0f", memory(r.server.Process.Pid, "VmHWM")), want: "≤ 228"},
	}, err
}

// full is as many transfers at once as max_connection_num = 512 lets in.
func full(r *running) ([]result, error) {
	const sessions, each = 250, 8 * mib
	mibs, _, err := rate(r, sessions*each, func() error {
		return parallel(r, sessions, func(i int, c *client) error { return c.stor(fmt.Sprintf("f%d", i), each) })
	})
	return []result{
		{name: "250 uploads of 8 MiB at once (max_connection_num 512): MiB/s", value: fmt.Sprintf("%.0f", mibs)},
		{name: "… peak RSS, MiB", value: fmt.Sprintf("%.0f", memory(r.server.Process.Pid, "VmHWM"))},
	}, err
}

// table prints results as a Markdown table.
func table(results []result) string {
	var b strings.Builder
	b.WriteString("| case | measured | wanted | raw relay |\n|---|---|---|---|\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.name, r.value, r.want, r.floor)
	}
	return b.String()
}
