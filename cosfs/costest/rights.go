package costest

import (
	"slices"
	"sync"
)

// rights are what key pairs may do, by secret ID; a key pair without an entry may do all.
type rights struct {
	mu   sync.RWMutex
	keys map[string]keyRights
}

// keyRights are actions that one key pair may not do, or all that it may.
type keyRights struct {
	actions []string
	only    bool // these and no others are allowed
}

// WithDenied refuses actions to a key pair, as Server.Deny does.
func WithDenied(secretID string, actions ...string) Option {
	return setting(func(s *Server) { s.Deny(secretID, actions...) })
}

// WithForbiddenMissing answers HEAD, GET and a copy of a key that does not exist with 403 where the key pair may not list
// the bucket (GetBucket), so that it does not learn which names there are. S3 does so; whether COS does is not known.
func WithForbiddenMissing() Option { return setting(func(s *Server) { s.forbidMissing = true }) }

// Deny refuses these actions, and no others, to a key pair: 403 AccessDenied. Actions are spelled as in CAM, without
// "name/cos:": listing is GetBucket, copying PutObjectCopy or UploadPartCopy and GetObject besides, for the source;
// renaming in a bucket with metadata acceleration is RenameObject, which is a guess. All else is called as Request.Op.
func (s *Server) Deny(secretID string, actions ...string) {
	s.setRights(secretID, keyRights{actions, false})
}

// Allow refuses all other actions to a key pair, as Deny does.
func (s *Server) Allow(secretID string, actions ...string) {
	s.setRights(secretID, keyRights{actions, true})
}

func (s *Server) setRights(secretID string, r keyRights) {
	s.rights.mu.Lock()
	defer s.rights.mu.Unlock()
	if s.rights.keys == nil {
		s.rights.keys = map[string]keyRights{}
	}
	r.actions = slices.Clone(r.actions)
	s.rights.keys[secretID] = r
}

// actionsOf are the actions of an operation.
func actionsOf(op string) []string {
	switch op {
	case "ListObjects":
		return []string{"GetBucket"}
	case "CopyObject":
		return []string{"PutObjectCopy", "GetObject"}
	case "UploadPartCopy":
		return []string{op, "GetObject"}
	}
	return []string{op}
}

// permit returns an error if the key pair of the request must not do the operation.
func (x *exchange) permit() error {
	for _, action := range actionsOf(x.op) {
		if !x.may(action) {
			return errAccessDenied.because("The key pair may not cos:%s.", action)
		}
	}
	return nil
}

// may reports whether the key pair of the request may do an action.
func (x *exchange) may(action string) bool {
	r := &x.server.rights
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.keys) == 0 {
		return true
	}
	sig, err := x.signature()
	if err != nil {
		return true // an unsigned request is for authorize to refuse
	}
	known, there := r.keys[sig.keyID]
	return !there || known.only == slices.Contains(known.actions, action)
}

// missing is the answer about a key that does not exist.
func (x *exchange) missing() *apiError {
	if x.server.forbidMissing && !x.may("GetBucket") {
		return errAccessDenied
	}
	return errNoSuchKey
}
