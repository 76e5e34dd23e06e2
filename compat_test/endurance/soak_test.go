package endurance

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// A soak of a minute and more has 300 clients, and is calm in its second part. The short form, which all tests
// include, has fewer clients and less to compare.
var soakTime = flag.Duration("soak", 6*time.Second, "how long `D` TestSoak goes on")

const (
	soakClients      = 300
	soakClientsShort = 30
	soakPause        = 2 * time.Second // between two commands of a client, on average; in the short form a tenth of a second
	soakRetry        = 200 * time.Millisecond
	soakPatience     = 2 * time.Minute // with each reply: machines that are busy are slow
	faultyRequests   = 0.01
)

// TestSoak has many clients do everything at once, while COS fails some of its requests and the program is killed,
// stopped and started again. What was told to be done is done and whole at the end; what was not is as before, as it
// was to be, or, where the client itself broke it off, what had arrived of it. Memory does not grow, and in the end no
// file descriptor, goroutine or multipart upload is left.
func TestSoak(t *testing.T) {
	if *soakTime < time.Minute {
		t.Parallel()
	}
	s := newSoakSite(t)
	idle := s.measureIdle(t)
	s.start(t)
	stop := s.beginClients()
	s.disturb(t, *soakTime*2/5)
	memory := s.watchMemory(*soakTime * 3 / 5)
	s.awaitEverything()
	stop()

	end := s.measureRest(t, len(idle.files)+1)
	s.start(t)
	s.awaitNoUploads(t)
	s.stop(t)
	s.check(t)
	s.report(t, idle, end, memory)
}

// soakSite is the program, its store and its clients.
type soakSite struct {
	store   *rig.Store
	faults  *faultyStore
	server  *httptest.Server
	file    string // conf
	addr    string
	proc    *rig.Program
	clients []*soakClient
	long    bool

	lives        atomic.Int64 // starts of the program
	kills, stops int
	uploads      int // left open by kills and stops

	mu     sync.Mutex
	counts map[string]int
	wrong  []string
}

func newSoakSite(t *testing.T) *soakSite {
	t.Helper()
	s := &soakSite{long: *soakTime >= time.Minute, counts: map[string]int{}}
	opts := []costest.Option{
		costest.WithLatency(2 * time.Millisecond), costest.WithRequestLog(0), costest.WithoutMD5(),
		costest.WithCredentials("test-id", "test-key"),
	}
	for n := range rig.AccountCount {
		opts = append(opts, costest.WithBucket(rig.BucketName(n)))
	}
	s.faults = &faultyStore{store: costest.New(opts...)}
	s.server = httptest.NewServer(s.faults)
	t.Cleanup(func() {
		s.server.CloseClientConnections()
		s.server.Close()
	})
	s.store = &rig.Store{Server: s.faults.store, Addr: s.server.Listener.Addr().String()}
	home, port := rig.Homes(t), rig.FreePort(t)
	s.addr = fmt.Sprintf("127.0.0.1:%d", port)
	s.file = filepath.Join(t.TempDir(), "vsftpd.conf")
	text := rig.ConfText(s.store, home, filepath.Join(home, "log"), port, map[string]string{
		"resume_upload":       "any", // resumes somewhere in whole files
		"config_check_enable": "false", "max_connection_num": "1000", "passive_port": "62000,64000", "shutdown_grace": "2",
		"idle_ctrl_timeout": "60", "idle_data_timeout": "60", // what nobody uses must be gone within soakPatience
	})
	if err := os.WriteFile(s.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	count := soakClientsShort
	if s.long {
		count = soakClients
	}
	for n := range count {
		s.clients = append(s.clients, newSoakClient(s, n))
	}
	return s
}

// faultyStore is a COS that fails some of its requests, each in one of the ways that a network and COS have.
type faultyStore struct {
	store         *costest.Server
	asked, struck atomic.Int64
}

func (f *faultyStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.asked.Add(1)
	if rand.Float64() >= faultyRequests {
		f.store.ServeHTTP(w, r)
		return
	}
	f.struck.Add(1)
	switch rand.IntN(6) {
	case 0:
		http.Error(w, "<Error><Code>SlowDown</Code></Error>", http.StatusServiceUnavailable)
	case 1:
		_, _ = io.Copy(io.Discard, r.Body)
		http.Error(w, "<Error><Code>InternalError</Code></Error>", http.StatusInternalServerError)
	case 2:
		panic(http.ErrAbortHandler) // net/http cuts the connection
	case 3: // it is done, and the answer is lost
		f.store.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case 4: // it is done, and half of the answer is lost
		answer := httptest.NewRecorder()
		f.store.ServeHTTP(answer, r)
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
		panic(http.ErrAbortHandler)
	default:
		time.Sleep(time.Second)
		f.store.ServeHTTP(w, r)
	}
}

func (s *soakSite) start(t *testing.T) {
	t.Helper()
	s.proc = rig.StartProgram(t, exec.Command(rig.Binary, "-conf", s.file), "GOTRACEBACK=all")
	if !s.proc.Ready() {
		t.Fatalf("the program does not start: %s", s.proc.Output())
	}
	s.lives.Add(1)
}

// end sends a signal and waits.
func (s *soakSite) end(t *testing.T, signal syscall.Signal) {
	t.Helper()
	s.proc.Cmd.Process.Signal(signal)
	if s.proc.Wait(time.Minute); s.proc.Cmd.ProcessState == nil {
		t.Fatalf("the program outlives %v by a minute", signal)
	}
	s.uploads += len(s.store.Parts(0))
}

func (s *soakSite) stop(t *testing.T) {
	t.Helper()
	s.end(t, syscall.SIGTERM)
	if text := s.proc.Output(); strings.Contains(text, "panic:") || strings.Contains(text, "DATA RACE") {
		t.Errorf("the program said: %s", text)
	}
}

// beginClients lets the clients begin. The function that it returns ends them.
func (s *soakSite) beginClients() (stop func()) {
	ended := make(chan struct{})
	var all sync.WaitGroup
	for _, c := range s.clients {
		all.Go(func() { c.work(ended) })
	}
	return func() {
		close(ended)
		all.Wait()
	}
}

// disturb kills the program, or stops it, and starts it again, about a dozen times.
func (s *soakSite) disturb(t *testing.T, d time.Duration) {
	t.Helper()
	began := time.Now()
	for n := 0; ; n++ {
		time.Sleep(d/14 + rand.N(d/28+1))
		if time.Since(began) >= d {
			return
		}
		if n%2 == 0 {
			s.kills++
			s.end(t, syscall.SIGKILL)
		} else {
			s.stops++
			s.stop(t)
		}
		s.start(t)
	}
}

// usage is what a process holds.
type usage struct {
	files      []string
	goroutines int
	dump       string // of the goroutines
}

// measureIdle starts the program for a measurement only, behind a first session.
func (s *soakSite) measureIdle(t *testing.T) usage {
	t.Helper()
	s.start(t)
	p, err := crashLogin(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	p.Command("QUIT")
	p.Close()
	time.Sleep(time.Second)
	files := rig.OpenFiles(t, s.proc.Cmd.Process.Pid)
	n, dump := s.countGoroutines(t)
	return usage{files, n, dump}
}

var goroutineHeader = regexp.MustCompile(`(?m)^goroutine [0-9]+ `)

// countGoroutines has the program write down what it is doing, which ends it.
func (s *soakSite) countGoroutines(t *testing.T) (n int, dump string) {
	t.Helper()
	s.end(t, syscall.SIGQUIT)
	dump = s.proc.Output()
	return len(goroutineHeader.FindAllString(dump, -1)), dump
}

// measureRest measures when all clients have gone, as soon as it can be no less.
func (s *soakSite) measureRest(t *testing.T, files int) usage {
	t.Helper()
	var end usage
	for deadline := time.Now().Add(soakPatience); ; time.Sleep(100 * time.Millisecond) {
		if s.store.Running() == 0 {
			s.server.CloseClientConnections() // the program would keep them for half a minute
		}
		if end.files = rig.OpenFiles(t, s.proc.Cmd.Process.Pid); len(end.files) <= files || time.Now().After(deadline) {
			break
		}
	}
	time.Sleep(time.Second) // the last goroutines end behind their sockets
	end.goroutines, end.dump = s.countGoroutines(t)
	return end
}

// watchMemory notes the resident memory once in a while.
func (s *soakSite) watchMemory(d time.Duration) (samples []int64) {
	for range 60 {
		time.Sleep(d / 60)
		samples = append(samples, rig.ResidentMemory(s.proc.Cmd.Process.Pid))
	}
	return samples
}

func (s *soakSite) awaitNoUploads(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(rig.RecoveryTime); ; time.Sleep(10 * time.Millisecond) {
		left := s.store.Parts(0)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("multipart uploads are left: %+v", left)
			return
		}
	}
}

// check compares the store with what the clients were told.
func (s *soakSite) check(t *testing.T) {
	t.Helper()
	for _, c := range s.clients {
		for name, f := range c.files {
			s.settle(c.dir+"/"+name, f)
		}
	}
	for _, text := range s.wrong[:min(len(s.wrong), 20)] {
		t.Error(text)
	}
}

// count counts something that happened.
func (s *soakSite) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[what]++
}

// blame notes a broken promise.
func (s *soakSite) blame(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
}

func (s *soakSite) report(t *testing.T, idle, end usage, memory []int64) {
	t.Helper()
	half := len(memory) / 2
	first, second := median(memory[half/3:half]), median(memory[half:])
	t.Logf("%v, %d clients: %d commands, %d of them transfers that ended with 226; %d requests to COS, of which %d were made to fail; %d kills and %d stops left %d multipart uploads open; promises broken: %d",
		*soakTime, len(s.clients), s.counts["commands"], s.counts["226"], s.faults.asked.Load(), s.faults.struck.Load(), s.kills, s.stops, s.uploads, len(s.wrong))
	var kinds []string
	for what, n := range s.counts {
		kinds = append(kinds, fmt.Sprintf("%s %d", what, n))
	}
	slices.Sort(kinds)
	t.Logf("%s", strings.Join(kinds, ", "))
	t.Logf("resident memory: %d MiB, then %d MiB; files: %d idle, %d after; goroutines: %d idle, %d after",
		first>>20, second>>20, len(idle.files), len(end.files), idle.goroutines, end.goroutines)
	const flat = 8 << 20
	if s.long && second > first+first/10+flat {
		t.Errorf("memory grows from %d to %d bytes", first, second)
	}
	// The journal of uploads and some goroutines begin when they are first needed, and stay.
	const journal, lasting = 1, 4
	if len(end.files) > len(idle.files)+journal || end.goroutines > idle.goroutines+lasting {
		t.Errorf("%q are left, %q were there before; %s", end.files, idle.files, end.dump)
	}
	for _, what := range s.untried() {
		t.Errorf("there was no %s: nothing was tested", what)
	}
}

// untried is what no client has done yet.
func (s *soakSite) untried() (none []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, what := range []string{"226", "STOR", "APPE", "RETR", "LIST", "NLST", "MLSD", "DELE", "RNTO", "MKD", "RMD", "SIZE", "MDTM", "ABOR", "disconnects"} {
		if s.counts[what] == 0 {
			none = append(none, what)
		}
	}
	return none
}

// awaitEverything gives the clients of a busy machine time to have done everything once.
func (s *soakSite) awaitEverything() {
	for deadline := time.Now().Add(soakPatience); len(s.untried()) > 0 && time.Now().Before(deadline); {
		<-time.After(soakRetry)
	}
}

func median(n []int64) int64 {
	sorted := slices.Sorted(slices.Values(n))
	return sorted[len(sorted)/2]
}
