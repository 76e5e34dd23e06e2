package faults

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

const (
	historyClients  = 8
	historyCommands = 50 // of each client
	historyBucket   = "bucket0-1250000000"
)

// The names of a history. Renames join those of renamedFiles, and the files of renamedDirs.
var (
	plainFiles   = []string{"f0", "f1"}
	renamedFiles = [2]string{"r0", "r1"}
	renamedDirs  = [2]string{"dA", "dB"}
	dirFiles     = []string{"x", "y"}
)

func historyGroups() (groups [][]string) {
	for _, name := range plainFiles {
		groups = append(groups, []string{name})
	}
	groups = append(groups, renamedFiles[:])
	for _, file := range dirFiles {
		groups = append(groups, []string{renamedDirs[0] + "/" + file, renamedDirs[1] + "/" + file})
	}
	return groups
}

// historyTheme is what the clients of a history do above all, so that they meet.
type historyTheme struct {
	name    string
	names   []string
	weights [8]int // of clientActions: STOR, APPE, RETR, SIZE, DELE, a file renamed, a directory renamed, LIST
	resumes bool   // clients go on with uploads that were broken off
}

func (t historyTheme) total() (sum int) {
	for _, w := range t.weights {
		sum += w
	}
	return sum
}

var allNames = []string{"f0", "f1", "r0", "r1", "dA/x", "dA/y", "dB/x"}

var historyThemes = []historyTheme{
	{"everything", allNames, [8]int{12, 6, 8, 4, 3, 3, 3, 2}, false},
	{"appends", []string{"f0", "f1"}, [8]int{1, 14, 6, 2, 1, 0, 0, 0}, false},
	{"appends and uploads", []string{"f0", "f1", "r0"}, [8]int{8, 8, 6, 2, 1, 1, 0, 1}, false},
	{"uploads", []string{"f0", "f1", "r0"}, [8]int{14, 0, 6, 2, 2, 0, 0, 1}, false},
	{"resumed uploads", []string{"f0", "f1", "r0"}, [8]int{14, 0, 6, 2, 2, 0, 0, 1}, true},
	{"files renamed", []string{"r0", "r1"}, [8]int{12, 1, 6, 3, 1, 5, 0, 1}, false},
	{"directories renamed", []string{"dA/x", "dA/y", "dB/x", "dB/y"}, [8]int{6, 1, 6, 3, 1, 0, 5, 0}, false},
}

// historyGateway is a gateway that can be ended and started again.
type historyGateway interface {
	address() string // waits while there is none
	kill()           // with no chance to do anything in COS any more, and start again
	restart()        // as a service is
	shut() error     // for good
	// awaitEnd waits until the session with a client's address has come to its end.
	awaitEnd(session string)
}

// historySite is a bucket, gateways to it and what is done with them.
type historySite struct {
	*history
	store    *costest.Server
	gateways []historyGateway
	theme    historyTheme
	random   *rand.Rand
	claims   *claims // nil with one gateway
	renaming atomic.Pointer[string]
	clients  []*historyClient
}

// historyMoods are the ways of COS that no document settles, and the kinds of bucket.
var historyMoods = [][]costest.Option{
	nil, nil,
	{costest.WithListDelay(100 * time.Millisecond)},
	{costest.WithModifiedAtInitiate()},
	{costest.WithCopySourceETag(costest.QuotedETag)},
	{costest.WithCopySourceETag(costest.UnquotedETag)},
	{costest.WithRepeatedCompleteConflict()},
	{costest.WithBucket(historyBucket, costest.Versioned())},
}

func newHistorySite(seed uint64, gateways int) *historySite {
	random := rand.New(rand.NewPCG(seed, 0))
	s := &historySite{
		history: &history{keep: random.IntN(2) == 0, initial: map[string][]piece{}, groups: historyGroups()},
		store: costest.New(append(historyMoods[random.IntN(len(historyMoods))],
			costest.WithBucket(historyBucket), costest.WithCredentials("test-id", "test-key"), costest.WithRequestLog(0))...),
		theme: historyThemes[seed%uint64(len(historyThemes))], random: random,
	}
	if gateways > 1 {
		s.claims = newClaims()
	}
	s.seed()
	for n := range historyClients {
		s.clients = append(s.clients, &historyClient{
			site: s, number: n, gateway: n % gateways, todo: historyCommands, random: rand.New(rand.NewPCG(seed, uint64(n+1))),
		})
	}
	return s
}

// seed stores the files that there are at the beginning.
func (s *historySite) seed() {
	for _, names := range s.groups {
		name := names[0] // not both: the directory is renamed to a name that is free
		if s.random.IntN(3) == 0 {
			continue
		}
		size := 2*contentCell + s.random.IntN(3000)
		if s.random.IntN(16) == 0 {
			size = minCopiedByStore + s.random.IntN(faultPart)
		}
		id := s.newContent()
		s.store.Put(historyBucket, name, tellingContent(id, 0, size))
		s.initial[name] = []piece{{id, 0, size}}
	}
}

// minCopiedByStore is the size in bytes from which on COS copies a file to which APPE adds.
const minCopiedByStore = 5 << 20

// slowed are the requests that lie between what a command looks at and what it changes.
var slowed = []string{
	"PutObject", "CompleteMultipartUpload", "CopyObject", "DeleteObject", "DeleteMultipleObjects", "UploadPartCopy",
}

// injectFaults makes some requests fail, in the ways that a network and COS have, and others slow.
func (s *historySite) injectFaults() {
	failing := append([]string{"HeadObject", "GetObject", "ListObjects", "UploadPart", "InitiateMultipartUpload"}, slowed...)
	for range s.random.IntN(8) {
		f := []costest.Fault{
			{Status: 503, Code: "SlowDown"}, {Status: 500, Code: "InternalError", ReadBody: true},
			{Status: 403, Code: "AccessDenied"}, {Drop: "before"}, {Drop: "during"}, {Drop: "after"},
		}[s.random.IntN(6)]
		f.Op = failing[s.random.IntN(len(failing))]
		f.From, f.Times = 1+s.random.IntN(40), 1+s.random.IntN(6)
		s.store.Inject(f)
	}
	for _, op := range slowed {
		if s.random.IntN(2) == 0 {
			s.store.Inject(costest.Fault{Op: op, Delay: time.Duration(2+s.random.IntN(30)) * time.Millisecond})
		}
	}
}

// run lets the clients do everything, and then looks what is stored.
func (s *historySite) run(t *testing.T) {
	t.Helper()
	s.injectFaults()
	s.start = time.Now()
	var work sync.WaitGroup
	ended := make(chan struct{})
	disturbed := make(chan struct{})
	go func() {
		defer close(disturbed)
		s.disturb(ended)
	}()
	for _, c := range s.clients {
		work.Go(c.work)
	}
	work.Wait()
	close(ended)
	<-disturbed
	for _, g := range s.gateways {
		if err := g.shut(); err != nil {
			t.Errorf("a gateway does not end: %v", err)
		}
	}
	s.store.ClearFaults()
	s.lookAtStore()
}

// disturb ends a gateway in some histories, once a number of commands are done.
func (s *historySite) disturb(ended <-chan struct{}) {
	hard, after := s.random.IntN(2) == 0, s.random.IntN(4*historyClients*historyCommands)
	gateway := s.gateways[s.random.IntN(len(s.gateways))]
	for s.count() < after {
		select {
		case <-ended:
			return
		case <-time.After(time.Millisecond):
		}
	}
	if hard {
		gateway.kill()
	} else {
		gateway.restart()
	}
}

func (h *history) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.commands)
}

// lookAtStore adds what is stored at the end, as commands that came after all others.
func (s *historySite) lookAtStore() {
	for _, names := range s.groups {
		for _, name := range names {
			r := &recorded{client: historyClients, verb: "GET", name: name, reply: "404", began: s.now()}
			if o, there := s.store.Get(historyBucket, name); there {
				r.reply, r.got = "200", takeApart(o.Data)
			}
			r.ended = s.now()
			s.add(r)
		}
	}
}

func (s *historySite) addr(gateway int) string { return s.gateways[gateway].address() }

// awaitEnd waits for the end of a session where the next change of its file must not come before.
func (s *historySite) awaitEnd(gateway int, session string) {
	if s.claims != nil {
		s.gateways[gateway].awaitEnd(session)
	}
}

// claims keep two gateways from changing one file within the same round trip, which is not promised to end well.
// Clients of one gateway may do so, and uploads may be open through both. Names that renames join are one file here.
type claims struct {
	mu      sync.Mutex
	changed *sync.Cond
	by      map[string]int // gateway
	count   map[string]int
}

func newClaims() *claims {
	c := &claims{by: map[string]int{}, count: map[string]int{}}
	c.changed = sync.NewCond(&c.mu)
	return c
}

// claim is held by a client that is about to change a file.
type claim struct {
	of   *claims
	file string
}

func (s *historySite) claim(name string, gateway int) claim {
	c := claim{s.claims, strings.TrimRight(name, "01")}
	if dir, _, _ := strings.Cut(name, "/"); isRenamedDir(dir) {
		c.file = "d"
	} else if strings.HasPrefix(name, "f") {
		c.file = name
	}
	if c.of == nil {
		return c
	}
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	for c.of.count[c.file] > 0 && c.of.by[c.file] != gateway {
		c.of.changed.Wait()
	}
	c.of.by[c.file] = gateway
	c.of.count[c.file]++
	return c
}

func (c claim) release() {
	if c.of == nil {
		return
	}
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.of.count[c.file]--
	c.of.changed.Broadcast()
}

func (s *historySite) String() string {
	mode := "discard"
	if s.keep {
		mode = "keep"
	}
	return fmt.Sprintf("%s, mode %s, %d gateways", s.theme.name, mode, len(s.gateways))
}
