package admin

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// checkOf is what -check says about the first account, on a bucket of a kind, with an edited conf: warnings and notes,
// without the place that stands before each. What the check asked for stays in the store's log.
func checkOf(t *testing.T, store *rig.Store, edit *strings.Replacer) (lines []string) {
	t.Helper()
	home := rig.Homes(t)
	text := edit.Replace(rig.ConfText(store, home, filepath.Join(home, "log"), rig.FreePort(t), map[string]string{"listen_address": "127.0.0.1"}))
	file := filepath.Join(home, "vsftpd.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	store.ResetRequests()
	output, err := exec.Command(rig.Binary, "-conf", file, "-check").CombinedOutput()
	if bad := strings.Contains(string(output), "\nerror: "); (err == nil) == bad {
		t.Errorf("-check: %v\n%s", err, output)
	}
	for line := range strings.SplitSeq(string(output), "\n") {
		kind, rest, _ := strings.Cut(line, ": "+file+": [COS_ACCOUNT_0]: ")
		if rest != "" {
			lines = append(lines, kind+": "+rest)
		}
	}
	return lines
}

// only the first account is examined: the buckets of the others do not exist.
var only = []string{rig.BucketName(1), "other1-1250000000", rig.BucketName(2), "other2-1250000000", rig.BucketName(3), "other3-1250000000"}

func editedConf(pairs ...string) *strings.Replacer {
	return strings.NewReplacer(append(pairs, only...)...)
}

// TestRightsCheckNamesTheAction: -check names each action that is missing, and as failing exactly the commands of which the
// table of docs/rights.md says so.
func TestRightsCheckNamesTheAction(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t, costest.WithForbiddenMissing())
	rows, _ := readRights(t, rightsDocs[0])
	verb := regexp.MustCompile(`[A-Z]{3,}( CHMOD)?`)
	for _, action := range []string{
		"GetBucket", "HeadObject", "GetObject", "DeleteObject", "PutObjectCopy", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload",
	} {
		store.Deny(rightsKey, action)
		lines := checkOf(t, store, editedConf())
		lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "note: not known without cos:GetBucket") })
		if len(lines) != 1 {
			t.Errorf("without %s: %q, want one warning", action, lines)
			continue
		}
		told, is := strings.CutPrefix(lines[0], "warning: the key may not cos:"+action+": ")
		fails := strings.HasSuffix(told, " fail")
		var want []string
		for first, row := range rows {
			if slices.Contains(row.needs, action) {
				want = append(want, verb.FindAllString(first, -1)...)
			}
		}
		got := verb.FindAllString(told, -1)
		for _, list := range []*[]string{&got, &want} {
			slices.Sort(*list)
			*list = slices.Compact(slices.DeleteFunc(*list, func(v string) bool { return v == "RNFR" })) // goes with RNTO
		}
		if !is || !fails || !slices.Equal(got, want) {
			t.Errorf("without %s: %q names %q, the table %q", action, lines[0], got, want)
		}
	}
}

// TestRightsCheckAsksForWhatIsNeeded: an account that may only upload needs no more, and -check asks for no more.
func TestRightsCheckAsksForWhatIsNeeded(t *testing.T) {
	t.Parallel()
	_, policies := readRights(t, rightsDocs[0])
	for _, c := range []struct {
		name, perm string
		allowed    []string
		want       []string
	}{
		{"read-only", "authority = R\n", policies[0], nil},
		{"full", "authority = RW\n", policies[2], nil},
		{"write-only", "perm = wm\n", policies[1], []string{
			"note: the key may not cos:GetBucket: STOU fails",
			"note: not known without cos:GetBucket: whether the key may cos:GetObject, cos:HeadObject",
		}},
		{"no abort", "perm = wm\n", slices.DeleteFunc(slices.Clone(policies[2]), func(a string) bool { return a == "AbortMultipartUpload" }), []string{
			"warning: the key may not cos:AbortMultipartUpload: parts of uploads that fail stay in the bucket, and are billed",
		}},
		{"no look at the bucket", "authority = R\n", policies[0][1:], []string{
			"warning: the key may not cos:HeadBucket: the kind of the bucket is not known, and one with metadata acceleration is taken for an ordinary one",
		}},
	} {
		store := rig.NewStore(t, costest.WithForbiddenMissing())
		store.Allow(rightsKey, c.allowed...)
		got := checkOf(t, store, editedConf("authority = RW\ndelete_enable = true\n", c.perm))
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if n := len(store.Objects(rig.BucketName(0))) + len(store.Uploads(rig.BucketName(0))); n > 0 {
			t.Errorf("%s: the check has left something", c.name)
		}
	}
	store := rig.NewStore(t)
	store.Deny(rightsKey, "HeadBucket")
	wrong := checkOf(t, store, editedConf("cos_secretkey = test-key", "cos_secretkey = wrong"))
	if len(wrong) != 1 || !strings.Contains(wrong[0], "check cos_secretid and cos_secretkey") {
		t.Errorf("a wrong key: %q", wrong)
	}
}

// TestKindCheckTellsOfTheBucket: what a kind of bucket limits is a note. Where there are versions nothing is deleted, since
// that would leave a mark, and none of the questions needs a right.
func TestKindCheckTellsOfTheBucket(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind costest.BucketOption
		want string
	}{
		{costest.MultiZone(), ""},
		{costest.Accelerated(), "note: the bucket has metadata acceleration: "},
		{costest.Versioned(), "note: the bucket has versions: "},
		{costest.Locked(), "note: the bucket has an object lock: "},
		{costest.EncryptedByKMS(), "note: the bucket has keys of KMS: "},
	} {
		store := rig.NewStore(t, costest.WithBucket(rig.BucketName(0), c.kind))
		got := strings.Join(checkOf(t, store, editedConf()), "\n")
		if !strings.HasPrefix(got, c.want) || strings.Contains(got, "\n") || (c.want == "") != (got == "") {
			t.Errorf("%q, want %q", got, c.want)
		}
		deletes := store.Count("DeleteObject")
		if versioned := strings.Contains(c.want, "versions"); versioned != (deletes == 0) {
			t.Errorf("%q: %d deletions", c.want, deletes)
		}
		if n := len(store.Objects(rig.BucketName(0))); n > 0 {
			t.Errorf("%q: the check has left %d objects", c.want, n)
		}
		if n := store.Count(""); n > 20 {
			t.Errorf("%q: %d requests", c.want, n)
		}
		store.Deny(rightsKey, "GetBucketVersioning", "GetBucketEncryption", "GetBucketObjectLockConfiguration")
		for _, line := range checkOf(t, store, editedConf()) {
			if strings.HasPrefix(line, "warning") {
				t.Errorf("a question that was refused: %s", line)
			}
		}
	}
}

// TestCheckTellsOfAWrongClock, though requests are signed by COS's clock and answered.
func TestCheckTellsOfAWrongClock(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t, costest.WithClock(func() time.Time { return time.Now().Add(20 * time.Minute) }), costest.WithSignatureAge(5*time.Minute))
	lines := checkOf(t, store, editedConf())
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "warning: this machine's clock is 20m0s off from COS's") {
		t.Errorf("-check says %q", lines)
	}
}
