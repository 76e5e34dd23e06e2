package rig

import (
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// PatientTime is how long to wait for what must come. It is shorter than ReplyTime because the library that is compared
// keeps it waiting.
const PatientTime = 15 * time.Second

// RecoveryTime is how long to wait for what a crash left to be put in order: a request that was on its way is looked for
// in the first 40 s.
const RecoveryTime = 90 * time.Second

// ContentOf is size bytes that no other number gives.
func ContentOf(number uint64, size int) []byte {
	var seed [32]byte
	copy(seed[:], fmt.Sprint(number))
	content := make([]byte, size)
	if _, err := io.ReadFull(rand.NewChaCha8(seed), content); err != nil {
		panic(err)
	}
	return content
}

// Within polls until is holds, and reports whether it did in time.
func Within(is func() bool) bool {
	for deadline := time.Now().Add(ReplyTime); !is(); {
		if time.Now().After(deadline) {
			return false
		}
		<-time.After(2 * time.Millisecond)
	}
	return true
}
