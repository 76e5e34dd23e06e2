package costest

import (
	"hash/crc64"
	"math/rand/v2"
	"sync"
)

// pattern is the block that objects repeat whose bodies were not kept.
var pattern = sync.OnceValue(func() []byte {
	block := make([]byte, 1<<20)
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(block) // never fails
	return block
})

// Fill fills p with the bytes that an object has from offset off on whose body was not kept: PutSized objects, and
// all objects under WithDiscard. An upload of these bytes is thus read back as it was written.
func Fill(p []byte, off int64) {
	block := pattern()
	for len(p) > 0 {
		n := copy(p, block[off%int64(len(block)):])
		p, off = p[n:], off+int64(n)
	}
}

// patternIntake is an object of the pattern, as if it had been uploaded. Its ETag is made as WithoutMD5 does.
func patternIntake(size int64) intake {
	block := pattern()
	whole := crc64.Checksum(block, crcTable)
	var crc uint64
	length := int64(len(block))
	for n := int64(0); n < size; n += length {
		if rest := size - n; rest < length {
			crc = combineCRC(crc, crc64.Checksum(block[:rest], crcTable), rest)
			break
		}
		crc = combineCRC(crc, whole, length)
	}
	return intake{
		body: blob{{chunk: &chunk{size: size}, n: size}}.retain(),
		size: size,
		crc:  crc,
		etag: etagFromCRC(crc, size),
	}
}
