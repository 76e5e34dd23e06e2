//go:build !race

package cosfs

import "syscall"

// allocBlock maps a block outside the Go heap, so that the collector neither doubles it nor keeps it. The kernel
// gives pages as they are touched: a block with 1 KiB of data costs one page. (Under the race detector blocks are
// ordinary memory, because it does not watch mapped memory.)
func allocBlock() block {
	b, err := syscall.Mmap(-1, 0, blockSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil { // too many mappings
		return make(block, blockSize)
	}
	return b
}

// freeBlock gives a block back to the system. The error is that of a block from the heap, which the collector takes.
func freeBlock(b block) {
	_ = syscall.Munmap(b)
}
