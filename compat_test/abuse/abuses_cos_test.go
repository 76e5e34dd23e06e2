package abuse

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// The losses and bugs of the Python tool, one after the other, as abuses of an engine whose storage is COS.

func init() { abuses = append(abuses, cosAbuses...) }

// someObjects puts objects with their own keys as content.
func someObjects(keys ...string) func(*rig.Store) {
	return func(s *rig.Store) {
		for _, key := range keys {
			s.Put(rig.BucketName(0), key, []byte(key))
		}
	}
}

// bigObject is more than one range of a download.
var bigObject = bytes.Repeat([]byte("0123456789abcdef"), 3<<20/16)

var cosAbuses = []abuse{
	{name: "reset-upload-is-no-226", fixes: "O1", cos: someObjects(), run: resetUpload},
	{name: "append-keeps-what-was-there", fixes: "O2", cos: someObjects("a"), run: appendKeeps},
	{name: "cut-download-is-no-226", fixes: "O3", run: cutDownload, cos: func(s *rig.Store) {
		s.Put(rig.BucketName(0), "big", bigObject)
		s.Inject(costest.Fault{Op: "GetObject", CutBody: true, CutAt: 1 << 20})
	}},
	{name: "second-upload-takes-no-data", fixes: "O4", cos: someObjects(), run: secondUpload},
	{name: "failed-commit-is-told", fixes: "O5", run: failedUpload(bigObject), cos: func(s *rig.Store) {
		s.Inject(costest.Fault{Op: "CompleteMultipartUpload", Status: 403, Code: "AccessDenied"})
	}},
	{name: "failed-put-is-told", fixes: "O5", run: failedUpload([]byte("small")), cos: func(s *rig.Store) {
		s.Inject(costest.Fault{Op: "PutObject", Status: 403, Code: "AccessDenied"})
	}},
	{name: "failed-initiate-stores-nothing", fixes: "O6", run: failedUpload(bigObject), cos: func(s *rig.Store) {
		s.Inject(costest.Fault{Op: "InitiateMultipartUpload", Status: 403, Code: "AccessDenied"})
	}},
	{name: "nlst-and-mlst-answer", fixes: "O7", cos: someObjects("dir/a", "dir/b"), run: nlstAndMlst},
	{name: "list-elsewhere-has-whole-names", fixes: "O8", cos: someObjects("dir/f1.txt", "a.txt"), run: listElsewhere},
	{name: "nothing-is-not-deleted", fixes: "O9", cos: someObjects("full/a", "file"), run: deleteNothing},
	{name: "look-alikes-are-not-there", fixes: "O10", cos: someObjects("abc"), run: lookAlikes},
	{name: "directory-behind-1000-names", fixes: "O11", run: hiddenDirectory, cos: func(s *rig.Store) {
		for i := range 1001 {
			s.Put(rig.BucketName(0), fmt.Sprintf("q!%04d", i), nil)
		}
		s.Put(rig.BucketName(0), "q/inside", nil)
	}},
	{name: "nothing-is-on-the-own-disk", fixes: "O12", cos: someObjects("f"), run: notOnDisk},
	{name: "slow-cos-holds-up-one-session", fixes: "O13", cos: someObjects("slow", "fast"), run: slowCOS},
}

func resetUpload(a *rig.Abused) error {
	p, err := a.Transfer("STOR up")
	if err != nil {
		return err
	}
	if err := p.Write(bigObject); err != nil {
		return err
	}
	if err := rig.Reset(p.Data); err != nil {
		return err
	}
	if reply := p.Reply(rig.ReplyTime); strings.HasPrefix(reply, "2") {
		return fmt.Errorf("an upload whose connection was reset is answered %q", reply)
	}
	return nil
}

func appendKeeps(a *rig.Abused) error {
	if _, err := a.Login().STOR("APPE a", []byte("b")); err != nil {
		return err
	}
	if got, _ := a.Object("a"); got != "ab" {
		return fmt.Errorf("b appended to a makes %q", got)
	}
	return nil
}

func cutDownload(a *rig.Abused) error {
	got, reply, err := a.Login().Fetch("RETR big")
	if err == nil && strings.HasPrefix(reply, "226") && !bytes.Equal(got, bigObject) {
		err = fmt.Errorf("%d of %d bytes came, and %q", len(got), len(bigObject), reply)
	}
	return err
}

func secondUpload(a *rig.Abused) error {
	p, err := a.Transfer("STOR first")
	if err != nil {
		return err
	}
	if err := p.Write([]byte("one")); err != nil {
		return err
	}
	if err := p.Send([]byte("STOR second\r\n")); err != nil {
		return err
	}
	p.Reply(rig.QuietTime) // where the second is refused
	if err := p.Upload([]byte(" and one")); err != nil {
		return err
	}
	for p.Reply(rig.QuietTime) != "(silent)" {
	}
	if err := a.Store.Await(0, "first", []byte("one and one")); err != nil {
		return err
	}
	if got, there := a.Object("second"); there {
		return fmt.Errorf("the second upload took %q", got)
	}
	return nil
}

// failedUpload is for a COS that refuses one request of an upload.
func failedUpload(content []byte) func(a *rig.Abused) error {
	return func(a *rig.Abused) error {
		p := a.Login()
		reply, err := p.STOR("STOR up", content)
		switch {
		case err != nil:
			return err
		case !strings.HasPrefix(reply, "4") && !strings.HasPrefix(reply, "5"):
			return fmt.Errorf("a failed upload is answered %q", reply)
		}
		if got, there := a.Object("up"); there {
			return fmt.Errorf("a failed upload left an object of %d bytes", len(got))
		}
		if n := len(a.Store.Parts(0)); n > 0 {
			return fmt.Errorf("a failed upload left %d multipart uploads open", n)
		}
		return p.Want("200", "NOOP")
	}
}

func nlstAndMlst(a *rig.Abused) error {
	p := a.Login()
	names, reply, err := p.Fetch("NLST dir")
	if err != nil || !strings.HasPrefix(reply, "226") || !strings.Contains(string(names), "a\r\n") {
		return fmt.Errorf("NLST gives %q, %q, %v", names, reply, err)
	}
	if reply := p.Command("MLST dir/a"); !strings.HasPrefix(reply, "250") || !strings.Contains(strings.ToLower(reply), "size=5") {
		return fmt.Errorf("MLST is answered %q", reply)
	}
	return nil
}

func listElsewhere(a *rig.Abused) error {
	p := a.Login()
	for _, c := range []struct{ dir, list, want string }{
		{"/", "dir", "f1.txt"}, {"/dir", "/", "a.txt"}, {"/dir", "/", "dir"}, {"/dir", ".", "f1.txt"},
	} {
		if err := p.Want("250", "CWD %s", c.dir); err != nil {
			return err
		}
		listing, reply, err := p.Fetch("LIST " + c.list)
		if err != nil {
			return err
		}
		found := false
		for line := range strings.Lines(string(listing)) {
			fields := strings.Fields(line)
			found = found || len(fields) > 0 && fields[len(fields)-1] == c.want
		}
		if !found {
			return fmt.Errorf("from %s LIST %s lacks %s: %q, %s", c.dir, c.list, c.want, listing, reply)
		}
	}
	return nil
}

func deleteNothing(a *rig.Abused) error {
	p := a.Login()
	if err := p.Expect("DELE missing", "5", "RMD missing", "5", "RMD full", "5", "RMD file", "5", "DELE full", "5"); err != nil {
		return err
	}
	for _, key := range []string{"full/a", "file"} {
		if _, there := a.Object(key); !there {
			return fmt.Errorf("%s is gone", key)
		}
	}
	return nil
}

func lookAlikes(a *rig.Abused) error {
	if err := a.Login().Expect("DELE ab", "5", "SIZE ab", "5", "MDTM ab", "5", "RNFR ab", "5"); err != nil {
		return err
	}
	if _, there := a.Object("abc"); !there {
		return errors.New("abc is gone")
	}
	return nil
}

func hiddenDirectory(a *rig.Abused) error {
	p := a.Login()
	if err := p.Expect("CWD q", "250", "CWD /", "250", "MKD q", "5"); err != nil {
		return err
	}
	if names, reply, err := p.Fetch("NLST q"); err != nil || !strings.Contains(string(names), "inside") {
		return fmt.Errorf("NLST q gives %q, %q, %v", names, reply, err)
	}
	return nil
}

func notOnDisk(a *rig.Abused) error {
	p := a.Login()
	if err := p.Expect("MDTM f", "213 "); err != nil {
		return err
	}
	reply, err := p.STOR("STOU", []byte("unique"))
	if err != nil || !strings.HasPrefix(reply, "226") {
		return fmt.Errorf("STOU ends with %q, %v", reply, err)
	}
	for _, o := range a.Store.Objects(rig.BucketName(0)) {
		if string(o.Data) == "unique" {
			return nil
		}
	}
	return errors.New("what STOU stored is not in the bucket")
}

// slowCOS: while COS does not answer one session, others are served.
func slowCOS(a *rig.Abused) error {
	a.Store.Inject(
		costest.Fault{Op: "HeadObject", Key: "slow", Hang: true}, costest.Fault{Op: "ListObjects", Key: "slow", Hang: true},
	)
	waits, other := a.Login(), a.Login()
	if err := waits.Send([]byte("SIZE slow\r\n")); err != nil {
		return err
	}
	if err := other.Expect("SIZE fast", "213 4", "NOOP", "200"); err != nil {
		return err
	}
	if reply := waits.Reply(rig.QuietTime); reply != "(silent)" {
		return fmt.Errorf("nothing was slow: %q came before", reply)
	}
	a.Store.ClearFaults()
	return waits.WantReply("213 4")
}
