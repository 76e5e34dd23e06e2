package cosfs

import (
	"hash/crc64"
	"sync"
)

// A CRC is the remainder of a polynomial over bits, kept with the power 0 in the highest bit. Following data of n
// bytes multiplies it by x^8n. The SDK's CRC64Combine does the same with matrices and takes 0.4 ms, this takes a few
// microseconds (BenchmarkCRCCombine): an object of 10,000 parts needs it 10,000 times.

// crcSquares holds x^(2^k).
var crcSquares = sync.OnceValue(func() *[64]uint64 {
	t := [64]uint64{1 << 62}
	for k := 1; k < len(t); k++ {
		t[k] = crcTimes(t[k-1], t[k-1])
	}
	return &t
})

// crcTimes multiplies two remainders.
func crcTimes(a, b uint64) uint64 {
	var product uint64
	for ; a != 0; a <<= 1 {
		if a>>63 == 1 {
			product ^= b
		}
		carry := b & 1
		b = b>>1 ^ crc64.ECMA&-carry
	}
	return product
}

// crcCombine is the checksum of two pieces of data in a row: crc1 of the first, crc2 of the second, of n bytes.
func crcCombine(crc1, crc2 uint64, n int64) uint64 {
	squares := crcSquares()
	for k := 3; n > 0; n, k = n>>1, k+1 {
		if n&1 == 1 {
			crc1 = crcTimes(squares[k], crc1)
		}
	}
	return crc1 ^ crc2
}
