package cosfs

import "context"

// account is what one upload or download has of the memory. Its counts are guarded by the memory's lock.
type account struct {
	m       *memory
	holder  holder
	of      *FS
	owner   *owner // of's
	loose   bool   // of a download: what it holds says nothing about a part
	held    int    // blocks of the part being filled, or of a download
	sending int    // blocks of parts on their way
}

// changeHeld counts blocks in and out. The caller holds the memory's lock.
func (a *account) changeHeld(n int) {
	if !a.loose {
		a.count(-1)
	}
	a.held += n
	if !a.loose {
		a.count(1)
	}
}

func (a *account) count(n int) {
	if a.held > 0 && a.held < minPartBlocks {
		a.m.partial[a.held] += n
		a.owner.partial[a.held] += n
	}
}

// queue is where the account waits for n blocks.
func (a *account) queue(n int) int {
	switch {
	case n > 1:
		return wholes
	case !a.loose && a.held > 0 && a.held < minPartBlocks:
		return a.held
	case a.held == 0 && a.sending == 0:
		return newcomers
	}
	return continuers
}

// grow waits for one more block.
func (a *account) grow(ctx context.Context) (block, error) {
	blocks, err := a.m.take(ctx, a, 1)
	if err != nil {
		return nil, err
	}
	return blocks[0], nil
}

// growWhole waits for n blocks in one piece, or for all that its owner may have if that is less.
func (a *account) growWhole(ctx context.Context, n int) ([]block, error) {
	return a.m.take(ctx, a, max(1, min(n, a.owner.limit)))
}

// tryGrow answers one more block if there is one to spare.
func (a *account) tryGrow() (block, bool) {
	blocks := a.m.tryTake(a, 1, 1)
	if blocks == nil {
		return nil, false
	}
	return blocks[0], true
}

// send turns n held blocks into blocks on their way.
func (a *account) send(n int) {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	a.changeHeld(-n)
	a.sending += n
	a.m.sending += n
	a.owner.sending += n
	a.m.serve()
}

// sent gives back blocks that were on their way.
func (a *account) sent(blocks []block) {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	a.sending -= len(blocks)
	a.m.sending -= len(blocks)
	a.owner.sending -= len(blocks)
	a.reclaim(blocks)
	a.m.serve()
}

// drop gives back held blocks.
func (a *account) drop(blocks ...block) {
	if len(blocks) == 0 {
		return
	}
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	a.changeHeld(-len(blocks))
	a.reclaim(blocks)
	a.m.serve()
}

// close ends the account; all blocks are back.
func (a *account) close() {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	delete(a.m.accounts, a)
	if a.owner.accounts--; a.owner.accounts == 0 {
		delete(a.m.owners, a.of)
	}
}

// reclaim gives blocks back. The caller holds the memory's lock.
func (a *account) reclaim(blocks []block) {
	a.owner.used -= len(blocks)
	a.m.reclaim(blocks)
}
