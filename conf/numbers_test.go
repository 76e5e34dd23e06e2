package conf

import (
	"strings"
	"testing"
)

// TestSmallPartsAreRaised to what COS takes, not to the default.
func TestSmallPartsAreRaised(t *testing.T) {
	for _, value := range []string{"1", "100000", "1048575"} {
		c := mustLoad(t, account+"[NETWORK]\n[FILE_OPTION]\nsingle_file_max_size = 1\n[OPTIONAL]\nmin_part_size = "+value+"\n")
		if got := c.PartSize(); got != 1<<20 || c.MinPartSize != 1<<20 || len(c.Warnings) != 1 {
			t.Errorf("min_part_size = %s: parts of %d bytes, warnings %q", value, got, c.Warnings)
		}
	}
}

// TestNoSizeLimitIsWhatPartsHold: as much as 10,000 parts of min_part_size.
func TestNoSizeLimitIsWhatPartsHold(t *testing.T) {
	for lines, want := range map[string]int64{
		"":                                      20971520000,
		"[OPTIONAL]\nmin_part_size = 1048576\n": 10485760000,
	} {
		c := mustLoad(t, account+"[NETWORK]\n[FILE_OPTION]\nsingle_file_max_size = 0\n"+lines)
		if c.SingleFileMaxSize != want || c.SingleFileMaxSize != 10000*c.PartSize() || len(c.Warnings) != 1 {
			t.Errorf("%q: %d bytes, want %d; warnings %q", lines, c.SingleFileMaxSize, want, c.Warnings)
		}
	}
}

// TestPortsThatCannotBe are refused, which the original wraps or leaves for others.
func TestPortsThatCannotBe(t *testing.T) {
	for line, want := range map[string]string{
		"listen_port = 70000":        "listen_port = 70000: want a port, 1 to 65535",
		"passive_port = 61010,61000": "want 61000,61010",
		"passive_port = 0,70000":     "want first,last, both 1 to 65535",
	} {
		if _, err := loadText(t, account+"[NETWORK]\n"+line+"\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want …%s", line, err, want)
		}
	}
}
