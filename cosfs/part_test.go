package cosfs

import (
	"bytes"
	"hash/crc64"
	"io"
	"testing"
	"testing/iotest"

	"github.com/tencentyun/cos-go-sdk-v5"
)

// However parts are cut, the file can reach its greatest size with 10,000 of them, and no part that must be held in
// one piece is greater than the memory for two.
func TestPartLimits(t *testing.T) {
	for _, test := range []struct {
		name string
		o    Options
	}{
		{"defaults of the original", Options{PartSize: 2 << 20, MaxFileSize: 200 << 20}},
		{"200 GiB", Options{PartSize: 21474837, MaxFileSize: 200 << 30}},
		{"10,000 smallest parts", Options{PartSize: minPart, MaxFileSize: 10000 * minPart}},
		{"the greatest object", Options{PartSize: maxPart, MaxFileSize: 10000 * maxPart}},
		{"no limit", Options{PartSize: minPart}},
	} {
		for _, early := range []string{"never", "always", "every other", "at first"} {
			l := newPartLimits(test.o)
			var sent int64
			used, whole := 0, 0
			for sent < l.maxSize {
				size := l.target(sent, used)
				pressed := early == "always" || early == "every other" && used%2 == 0 || early == "at first" && used < 9000
				if l.mayCut(sent+minPart, used) {
					if pressed {
						size = minPart
					}
				} else {
					whole++
				}
				if size > 2*l.want && whole > 0 || size < minPart {
					t.Fatalf("%s, cut early %s: part %d has %d bytes", test.name, early, used+1, size)
				}
				sent += min(size, l.maxSize-sent)
				used++
			}
			if used > maxParts {
				t.Errorf("%s, cut early %s: %d parts", test.name, early, used)
			}
		}
	}
}

func TestPartLimitsOfOrdinaryFiles(t *testing.T) {
	l := newPartLimits(Options{PartSize: 2 << 20, MaxFileSize: 10 << 30})
	if got := l.target(0, 0); got != 2<<20 {
		t.Errorf("the first part of a file has %d bytes, want those configured", got)
	}
	if got := newPartLimits(Options{PartSize: 1}).want; got != minPart {
		t.Errorf("parts of %d bytes are used, which COS refuses", got)
	}
}

func TestBodyReadsAllAndIsRevoked(t *testing.T) {
	data := noise(3*blockSize + 17)
	var blocks []block
	for rest := data; len(rest) > 0; {
		n := min(len(rest), blockSize)
		blocks = append(blocks, rest[:n])
		rest = rest[n:]
	}
	ended := false
	if err := iotest.TestReader(newBody(blocks, func(bool) {}), data); err != nil {
		t.Error(err)
	}
	b := newBody(blocks, func(all bool) { ended = all })
	if _, complete := b.revoke(); complete {
		t.Error("a body that was not read counts as complete")
	}
	if _, err := b.Read(make([]byte, 1)); err == nil {
		t.Error("a revoked body can be read")
	}
	b = newBody(blocks, func(all bool) { ended = all })
	if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, data) || !ended {
		t.Errorf("read %d bytes, %v, ended %v", len(got), err, ended)
	}
	if crc, complete := b.revoke(); !complete || crc != crc64.Checksum(data, crcECMA) {
		t.Errorf("checksum %d, complete %v", crc, complete)
	}
}

func TestCRCCombine(t *testing.T) {
	for _, sizes := range [][2]int{{0, 0}, {0, 9}, {9, 0}, {1, 1}, {100, 7}, {12345, 1 << 20}} {
		data := noise(sizes[0] + sizes[1])
		one, two := crc64.Checksum(data[:sizes[0]], crcECMA), crc64.Checksum(data[sizes[0]:], crcECMA)
		if got, want := crcCombine(one, two, int64(sizes[1])), crc64.Checksum(data, crcECMA); got != want {
			t.Errorf("%v: %#x, want %#x", sizes, got, want)
		}
	}
	for _, n := range []int64{1 << 30, 5<<40 + 12345} {
		if got, want := crcCombine(12345, 67890, n), cos.CRC64Combine(12345, 67890, n); got != want {
			t.Errorf("%d bytes: %#x, the SDK says %#x", n, got, want)
		}
	}
}

func BenchmarkCRCCombine(b *testing.B) {
	for b.Loop() {
		crcCombine(12345, 67890, 21474837)
	}
}
