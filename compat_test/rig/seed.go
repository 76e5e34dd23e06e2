package rig

import (
	"strings"
	"time"
)

// Seed is an object of the store, or a file of the gateway's host, that is there before the first step.
type Seed struct {
	Bucket   int // number of the account too
	Key      string
	Content  []byte
	Age      time.Duration // of the modification time; 0 for now
	Encoding string
}

// OpenMultiline says whether a reply such as "211-Features" still lacks its last line, "211 End".
func OpenMultiline(reply string) bool {
	if len(reply) < 4 || reply[3] != '-' {
		return false
	}
	lines := strings.Split(reply, "\n")
	return len(lines) == 1 || !strings.HasPrefix(lines[len(lines)-1], reply[:3]+" ")
}
