package cosfs

import (
	"hash/crc64"
	"math/rand/v2"
	"testing"
)

func randomBytes(n int) []byte {
	data := make([]byte, n)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(data)
	return data
}

func TestCRCUpdateEqualsStandardLibrary(t *testing.T) {
	data := randomBytes(1 << 20)
	for _, n := range []int{0, 1, 7, 8, crcLane, 3*crcLane - 1, 3 * crcLane, 3*crcLane + 1, 100001, len(data)} {
		want := crc64.Update(0x1234, crcECMA, data[:n])
		if got := crcUpdate(0x1234, data[:n]); got != want {
			t.Errorf("%d bytes: got %x, want %x", n, got, want)
		}
		if got := crcUpdate(crcUpdate(0, data[:n/3]), data[n/3:n]); got != crc64.Checksum(data[:n], crcECMA) {
			t.Errorf("%d bytes in two pieces: got %x", n, got)
		}
	}
}

func BenchmarkCRC64(b *testing.B) {
	data := randomBytes(128 << 10)
	b.Run("three lanes", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			crcUpdate(0, data)
		}
	})
	b.Run("hash/crc64", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			crc64.Update(0, crcECMA, data)
		}
	})
}
