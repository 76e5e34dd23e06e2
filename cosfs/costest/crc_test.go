package costest

import (
	"fmt"
	"hash/crc64"
	"testing"
)

func TestUpdateCRC(t *testing.T) {
	data := noise(100_000)
	for _, n := range []int{0, 1, 7, 8, laneMin - 1, laneMin, laneMin + 1, laneMin + 23, 65536, 100_000} {
		for _, before := range []uint64{0, 1, 1<<64 - 1} {
			if got, want := updateCRC(before, data[:n]), crc64.Update(before, crcTable, data[:n]); got != want {
				t.Errorf("%d bytes after %x: %x, want %x", n, before, got, want)
			}
		}
	}
}

func TestCombineCRC(t *testing.T) {
	data := noise(10_000)
	want := crc64.Checksum(data, crcTable)
	for _, at := range []int{0, 1, 8, 255, 4096, 9_999, 10_000} {
		first, second := crc64.Checksum(data[:at], crcTable), crc64.Checksum(data[at:], crcTable)
		if got := combineCRC(first, second, int64(len(data)-at)); got != want {
			t.Errorf("cut at %d: %x, want %x", at, got, want)
		}
	}
}

func BenchmarkCRC(b *testing.B) {
	data := noise(readSize)
	for name, update := range map[string]func([]byte){
		"standard": func(p []byte) { crc64.Update(0, crcTable, p) },
		"lanes":    func(p []byte) { updateCRC(0, p) },
	} {
		b.Run(fmt.Sprint(name), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				update(data)
			}
		})
	}
}
