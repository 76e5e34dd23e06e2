package costest

// FreezeListings makes listings show the bucket as it is now until ThawListings, whatever is stored and deleted
// meanwhile: listings of COS are eventually consistent, and a test that freezes them need not sleep. GET and HEAD
// do not freeze. What Put and Remove do is still listed at once.
func (s *Server) FreezeListings() {
	s.settleListings()
	s.frozen.Store(true)
}

// ThawListings ends FreezeListings: listings show what changed meanwhile, at once or when WithListDelay is over.
func (s *Server) ThawListings() {
	s.frozen.Store(false)
	s.settleListings()
}

// settleListings applies the changes that are due to the listings of all buckets.
func (s *Server) settleListings() {
	now := s.now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, b := range s.buckets {
		b.mu.Lock()
		for e := range b.index.from("") {
			e.settle(now)
		}
		b.mu.Unlock()
	}
}

// settlesListings reports whether a listing must look for changes that became due.
func (s *Server) settlesListings() bool { return s.listDelay > 0 && !s.frozen.Load() }
