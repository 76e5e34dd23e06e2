package cosfs

import (
	"container/list"
	"context"
	"sync"
	"time"
)

const (
	// blockSize is the unit of transfer memory in bytes: what one upload or download holds at least.
	blockSize = 128 << 10
	// minPart is the smallest part COS takes, the last one aside (document 436/14518).
	minPart = 1 << 20
	// minPartBlocks is how many blocks make a part that can be sent.
	minPartBlocks = minPart / blockSize
	// minMemoryBlocks is the least ceiling: two of the smallest parts, one to fill and one to send.
	minMemoryBlocks = 2 * minPartBlocks

	// leastRate is what a client must send, in bytes per second, for its upload to keep its blocks where memory is short:
	// less than the slowest modem, and more than one who only wants to hold them.
	leastRate = 4 << 10
	// stallGrace is how far behind that an upload may fall, shareGrace the same where the account has more than its share
	// and another waits.
	stallGrace = 30 * time.Second
	shareGrace = 5 * time.Second
	idleTrim   = 10 * time.Second
)

// block is one unit of transfer memory. Its length is that of its data, its capacity always blockSize.
type block []byte

// memory is the ceiling of all transfer buffers of the process. Blocks are lent to accounts, one per upload or
// download. Who waits for a block holds up its own client only.
//
// No set of uploads can block itself. Data below minPart cannot be sent unless its upload ends, so a block is lent
// only if afterwards the upload that is nearest to minPart can still get there with what is free; it is then sent,
// which needs no more memory, and given back. Uploads beyond minPart never wait: they send what they have. That
// leaves clients which stop in the middle, or nearly. When blocks are wanted, uploads that hold minPart send it without
// waiting for their client, downloads give up what they have read ahead; and when nothing is being sent either, the
// upload that has fallen furthest behind leastRate, by grace at least, is ended.
//
// The same rule holds a second time for each owner, within a limit of its own: three quarters of all blocks where there
// is more than one account. So no account holds all memory, and another one finds some at once. The two rules together
// cannot block either: the upload that is nearest to minPart of all is also the nearest of its owner, so both rules keep
// free what it needs. When it is sent, the same is true of the next one. A waiter that its owner's limit stops is passed
// over by those of other owners, and by none of its own.
//
// The owners that hold or want blocks have equal shares. Where one has less than its share and waits, one that has more
// loses uploads that have fallen behind by shareGrace: no account can stop the others with clients that hardly send.
//
// The order of service: uploads on the way to minPart, the nearest first; then those that hold nothing; then those
// that have parts on the way and want to begin another. Within each those come first whose owner has not had its share,
// and else the first come. Small uploads and downloads therefore get in beside big ones.
type memory struct {
	grace, shareGrace time.Duration

	mu       sync.Mutex
	pool          // of all owners
	shared   bool // among several accounts
	peak     int
	queues   [queueCount]list.List
	waiting  int
	turn     uint64
	accounts map[*account]struct{}
	owners   map[*FS]*owner

	spare     []block // free, last used last
	leastIdle int     // of len(spare) since the last trim
	trimming  bool
}

// The queues up to newcomers are those of uploads on the way to minPart, by the blocks they hold.
const (
	newcomers  = iota + minPartBlocks
	continuers // have parts on their way
	wholes     // need all blocks of a part at once
	queueCount
)

// pool is a number of blocks that are lent by the rule of memory: those of the process, or those that one owner may
// have of them.
type pool struct {
	limit   int // blocks
	used    int
	sending int                // blocks in parts on their way to COS
	partial [minPartBlocks]int // uploads by blocks held, from 1 to less than a part
}

// owner is whom uploads and downloads belong to, and what they have together.
type owner struct {
	pool
	accounts int
	waiting  int
	whole    *waiter // the first in the queue of wholes, set by next
}

// waiter is a place in a queue.
type waiter struct {
	account *account
	want    int
	turn    uint64
	queue   int
	place   *list.Element
	served  chan struct{} // closed when blocks are there
	blocks  []block
}

// holder is the owner of an account, as the memory sees it when blocks are short. Its methods are called without
// locks held and may not wait.
type holder interface {
	// yield sends or drops what can be had again.
	yield()
	// behind tells how far its client has fallen behind leastRate, 0 if its blocks cannot be taken.
	behind() time.Duration
	// evict ends it and gives its blocks back, if it is still behind by that much.
	evict(behind time.Duration)
}

// newMemory makes a ceiling of limit bytes, in whole blocks. It is 2 MiB at least; for transfers at full speed it
// must be a few parts, and two parts of the configured size in any case: an upload that has used up too many of
// COS's 10,000 parts on small ones needs up to one and a half in one piece (see part.go).
func newMemory(limit int64) *memory {
	return &memory{
		pool:       pool{limit: max(int(limit/blockSize), minMemoryBlocks)},
		grace:      stallGrace,
		shareGrace: shareGrace,
		accounts:   make(map[*account]struct{}),
		owners:     make(map[*FS]*owner),
	}
}

// share makes the memory that of several accounts. An owner that has transfers at this moment keeps its limit until
// they have ended: what it holds may be more than the new one, and would then be stuck.
func (m *memory) share() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shared = true
}

// ownerLimit is how many blocks one owner may have: three quarters, and less where that would not leave others two of
// the smallest parts, but always those that an upload cannot do without. The caller holds mu.
func (m *memory) ownerLimit() int {
	if !m.shared {
		return m.limit
	}
	return max(min(m.limit*3/4, m.limit-2*minPartBlocks), minMemoryBlocks)
}

// join opens an account.
func (m *memory) join(h holder, of *FS) *account {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.owners[of] == nil {
		m.owners[of] = &owner{pool: pool{limit: m.ownerLimit()}}
	}
	a := &account{m: m, holder: h, of: of, owner: m.owners[of]}
	a.owner.accounts++
	m.accounts[a] = struct{}{}
	return a
}

// holders is everyone with an account that is chosen.
func (m *memory) holders(chosen func(*account) bool) []holder {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]holder, 0, len(m.accounts))
	for a := range m.accounts {
		if chosen(a) {
			all = append(all, a.holder)
		}
	}
	return all
}

func everyone(*account) bool { return true }

// press asks everyone to give what can be given.
func (m *memory) press() {
	for _, h := range m.holders(everyone) {
		h.yield()
	}
}

// evict ends uploads that have fallen behind: those that give an owner more than its share while another waits for its
// own, and one more if no memory comes back by itself to all who wait, or to an owner that waits because of its limit.
func (m *memory) evict() {
	if m.isShareWanted() {
		for m.evictFurthest(func(a *account) bool { return m.isOver(a.owner) }, m.shareGrace) {
		}
	}
	stuck := m.stuck()
	m.evictFurthest(func(a *account) bool { return stuck[a.owner] }, m.grace)
}

// stuck returns the owners one of whose uploads has to end if somebody who waits is to go on.
func (m *memory) stuck() map[*owner]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	stuck := make(map[*owner]bool)
	for _, o := range m.owners {
		stuck[o] = m.waiting > 0 && m.sending == 0
	}
	for queue := range m.queues {
		for e := m.queues[queue].Front(); e != nil; e = e.Next() {
			w := e.Value.(*waiter)
			o := w.account.owner
			stuck[o] = stuck[o] || o.sending == 0 && !o.fits(w)
		}
	}
	return stuck
}

// evictFurthest ends the upload of those chosen that is furthest behind, and reports whether there was one.
func (m *memory) evictFurthest(chosen func(*account) bool, least time.Duration) bool {
	var (
		victim   holder
		furthest = least
	)
	for _, h := range m.holders(chosen) {
		if behind := h.behind(); behind >= furthest {
			victim, furthest = h, behind
		}
	}
	if victim == nil {
		return false
	}
	victim.evict(least)
	return true
}

// isShareWanted reports whether an owner waits that has not had its share.
func (m *memory) isShareWanted() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.owners {
		if o.waiting > 0 && !m.isOver(o) {
			return true
		}
	}
	return false
}

// take waits for n blocks, 1 or those of a whole part.
func (m *memory) take(ctx context.Context, a *account, n int) ([]block, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	w := &waiter{account: a, want: n, queue: a.queue(n)}
	if m.waiting == 0 && m.fits(w) && a.owner.fits(w) {
		m.lend(w)
		m.mu.Unlock()
		return w.blocks, nil
	}
	m.enqueue(w)
	m.serve()
	first := m.waiting == 1 && w.blocks == nil
	m.mu.Unlock()
	if first {
		m.press()
	}
	return m.await(ctx, w)
}

func (m *memory) await(ctx context.Context, w *waiter) ([]block, error) {
	tick := time.NewTicker(min(m.grace, m.shareGrace))
	defer tick.Stop()
	for {
		select {
		case <-w.served:
			return w.blocks, nil
		case <-ctx.Done():
			m.leave(w)
			return nil, ctx.Err()
		case <-tick.C:
			m.press()
			m.evict()
		}
	}
}

// leave ends a wait, giving back what came at the last moment.
func (m *memory) leave(w *waiter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if w.blocks != nil {
		w.account.changeHeld(-len(w.blocks))
		w.account.reclaim(w.blocks)
	} else {
		m.dequeue(w)
	}
	m.serve()
}

// tryTake answers up to want blocks, but none if there are fewer than least to spare or if anyone waits.
func (m *memory) tryTake(a *account, least, want int) []block {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := min(want, m.free()-m.reserve(continuers), a.owner.free()-a.owner.reserve(continuers))
	if m.waiting > 0 || n < least {
		return nil
	}
	w := &waiter{account: a, want: n}
	m.lend(w)
	return w.blocks
}

// The caller of all below holds mu.

func (p *pool) free() int { return p.limit - p.used }

// reserve is what a queue leaves to those before it: one part to bring an upload to its end, and some for newcomers.
func (p *pool) reserve(queue int) int {
	if queue == newcomers {
		return max(minPartBlocks, p.limit/8)
	}
	return max(minPartBlocks, p.limit/4)
}

// fits reports whether a waiter can be served now, as far as this pool goes.
func (p *pool) fits(w *waiter) bool {
	left := p.free() - w.want
	switch w.queue {
	case wholes:
		return left >= 0
	case newcomers, continuers:
		return left >= p.reserve(w.queue)
	}
	nearest := p.nearest()
	return left >= 0 && (w.queue == nearest || left >= minPartBlocks-nearest)
}

// nearest is the number of blocks of the upload nearest to minPart.
func (p *pool) nearest() int {
	for held := minPartBlocks - 1; held > 0; held-- {
		if p.partial[held] > 0 {
			return held
		}
	}
	return 0
}

func (m *memory) enqueue(w *waiter) {
	m.turn++
	m.waiting++
	w.account.owner.waiting++
	w.turn = m.turn
	w.served = make(chan struct{})
	w.place = m.queues[w.queue].PushBack(w)
}

func (m *memory) dequeue(w *waiter) {
	m.queues[w.queue].Remove(w.place)
	w.account.owner.whole = nil
	m.waiting--
	w.account.owner.waiting--
}

// isOver reports whether an owner has more than its share.
func (m *memory) isOver(o *owner) bool { return o.used > m.limit/len(m.owners) }

// serve lends to everyone who can be served, in order.
func (m *memory) serve() {
	for m.waiting > 0 {
		w := m.next()
		if w == nil {
			return
		}
		m.dequeue(w)
		m.lend(w)
		close(w.served)
	}
}

// next is whose turn it is, nil if that one has to wait.
func (m *memory) next() *waiter {
	for e := m.queues[wholes].Back(); e != nil; e = e.Prev() {
		w := e.Value.(*waiter)
		w.account.owner.whole = w
	}
	for held := minPartBlocks - 1; held > 0; held-- {
		if w := m.front(held); w != nil {
			if m.fits(w) {
				return w
			}
			return nil // nobody after it may overtake
		}
	}
	whole := m.front(wholes)
	for _, queue := range []int{newcomers, continuers} {
		if w := m.front(queue); w != nil && m.fits(w) && (whole == nil || w.turn < whole.turn) {
			return w
		}
	}
	if whole != nil && m.fits(whole) {
		return whole
	}
	return nil
}

// front is whom a queue serves first, nil if there is nobody whom its owner's limit admits. Within an owner nobody
// overtakes a whole part; with the other queues the limit sees to that, since what it refuses to one it refuses to all
// after it.
func (m *memory) front(queue int) (first *waiter) {
	for e := m.queues[queue].Front(); e != nil; e = e.Next() {
		w := e.Value.(*waiter)
		o := w.account.owner
		if !o.fits(w) || o.whole != nil && o.whole.turn < w.turn && w.queue >= newcomers {
			continue
		}
		if len(m.owners) == 1 || !m.isOver(o) {
			return w
		}
		if first == nil {
			first = w
		}
	}
	return first
}

// lend gives a waiter its blocks.
func (m *memory) lend(w *waiter) {
	w.blocks = make([]block, w.want)
	for i := range w.blocks {
		if last := len(m.spare) - 1; last >= 0 {
			w.blocks[i] = m.spare[last]
			m.spare[last] = nil
			m.spare = m.spare[:last]
		} else {
			w.blocks[i] = allocBlock()
		}
	}
	m.leastIdle = min(m.leastIdle, len(m.spare))
	m.used += w.want
	w.account.owner.used += w.want
	m.peak = max(m.peak, m.used)
	w.account.changeHeld(w.want)
}

// reclaim takes blocks back.
func (m *memory) reclaim(blocks []block) {
	m.used -= len(blocks)
	for _, b := range blocks {
		m.spare = append(m.spare, b[:blockSize])
	}
	if !m.trimming && len(m.spare) > 0 {
		m.trimming = true
		m.leastIdle = len(m.spare)
		time.AfterFunc(idleTrim, m.trim)
	}
}

// trim gives back to the system what was not in use at any time since the last trim.
func (m *memory) trim() {
	m.mu.Lock()
	idle := append([]block(nil), m.spare[:m.leastIdle]...)
	m.spare = append(m.spare[:0], m.spare[m.leastIdle:]...)
	clear(m.spare[len(m.spare):cap(m.spare)])
	m.leastIdle = len(m.spare)
	m.trimming = len(m.spare) > 0
	if m.trimming {
		time.AfterFunc(idleTrim, m.trim)
	}
	m.mu.Unlock()
	for _, b := range idle {
		freeBlock(b)
	}
}
