package rig

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// AccountCount is how many accounts, each with its bucket, every gateway of these tests has: user0 may do all,
// user1 may not delete, user2 may only read, user3 may only write.
const AccountCount = 4

// BucketName is the bucket of an account.
func BucketName(n int) string { return fmt.Sprintf("bucket%d-1250000000", n) }

// Store is the COS that a gateway under test talks to.
type Store struct {
	*costest.Server
	Addr string
}

// NewStore starts a COS with a bucket for each account.
func NewStore(t *testing.T, opts ...costest.Option) *Store {
	t.Helper()
	for n := range AccountCount {
		opts = append(opts, costest.WithBucket(BucketName(n)))
	}
	opts = append(opts, costest.WithCredentials("test-id", "test-key"))
	s := &Store{Server: costest.New(opts...)}
	server := httptest.NewUnstartedServer(s.Server)
	if *originalStore != "" {
		listener, err := net.Listen("tcp", *originalStore)
		if err != nil {
			t.Fatal(err)
		}
		server.Listener.Close()
		server.Listener = listener
	}
	server.Config = &http.Server{Handler: s.Server}
	server.Start()
	t.Cleanup(func() {
		s.ClearFaults()
		server.CloseClientConnections()
		server.Close()
	})
	s.Addr = server.Listener.Addr().String()
	return s
}

// Seed stores what is there before a dialogue begins.
func (s *Store) Seed(seeds []Seed, began time.Time) {
	for _, seed := range seeds {
		o := costest.Object{Key: seed.Key, Data: seed.Content, Modified: began.Add(-seed.Age)}
		if seed.Encoding != "" {
			o.Headers = map[string]string{"Content-Encoding": seed.Encoding}
		}
		s.PutObject(BucketName(seed.Bucket), o)
	}
}

// ApplyFaults does what a line "fault FIELD=VALUE …" or "no faults" says.
func (s *Store) ApplyFaults(line string) error {
	if line == "no faults" {
		s.ClearFaults()
		return nil
	}
	var f costest.Fault
	for field := range strings.FieldsSeq(strings.TrimPrefix(line, "fault ")) {
		name, value, _ := strings.Cut(field, "=")
		if err := setFault(&f, name, value); err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
	}
	s.Inject(f)
	return nil
}

func setFault(f *costest.Fault, name, value string) (err error) {
	switch name {
	case "Op":
		f.Op = value
	case "Code":
		f.Code = value
	case "Delay":
		f.Delay, err = time.ParseDuration(value)
	case "Status":
		f.Status, err = strconv.Atoi(value)
	case "From":
		f.From, err = strconv.Atoi(value)
	case "Times":
		f.Times, err = strconv.Atoi(value)
	case "CutBody":
		f.CutBody, err = strconv.ParseBool(value)
	case "CutAt":
		f.CutAt, err = strconv.ParseInt(value, 10, 64)
	case "BytesPerSecond":
		f.BytesPerSecond, err = strconv.ParseInt(value, 10, 64)
	default:
		err = fmt.Errorf("unknown field %q", name)
	}
	return err
}

// Await polls until the object has that content; an upload is committed after its client has gone.
func (s *Store) Await(bucket int, key string, content []byte) error {
	deadline := time.Now().Add(ReplyTime)
	for {
		o, found := s.Get(BucketName(bucket), key)
		if found && bytes.Equal(o.Data, content) {
			return nil
		}
		if time.Now().After(deadline) {
			if !found {
				return fmt.Errorf("object %q is not there", key)
			}
			return fmt.Errorf("object %q has %s", key, Describe(o.Data))
		}
		<-time.After(5 * time.Millisecond)
	}
}

// Parts are the open uploads of a bucket that hold parts, which would be billed. One whose ID nobody heard of holds none.
func (s *Store) Parts(bucket int) []costest.Upload {
	return slices.DeleteFunc(s.Uploads(BucketName(bucket)), func(u costest.Upload) bool { return u.Parts == 0 })
}
