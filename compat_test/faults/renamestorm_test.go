package faults

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

var (
	stormRounds = flag.Int("rename-rounds", 3, "how often `N` TestRenameStorm renames its directory")
	stormFiles  = flag.Int("rename-files", 150, "how many files `N` the directory of TestRenameStorm holds")
)

// stormNames are what the directory is called in turn.
var stormNames = [2]string{"d", "e"}

// TestRenameStorm has three sessions on two gateways rename one directory at the same time, while one of the gateways
// is killed. Each file is under one of the two names at any end, and repeating the rename ends the work.
func TestRenameStorm(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t, costest.WithLatency(time.Millisecond), costest.WithoutMD5())
	gateways := []*stormGateway{newStormGateway(t, store), newStormGateway(t, store)}
	for i := range *stormFiles {
		store.Put(rig.BucketName(0), stormFile(stormNames[0], i), stormContent(i))
	}
	killed, refused := 0, 0
	for round := range *stormRounds {
		from, to := stormNames[round%2], stormNames[(round+1)%2]
		if renameAtOnce(gateways, from, to) {
			killed++
		}
		for i := range *stormFiles {
			if err := underEither(store, i, from, to); err != nil {
				t.Fatalf("round %d: %v", round+1, err)
			}
		}
		for _, g := range gateways {
			g.start(t)
		}
		refused += finishRename(t, gateways[round%2], store, from, to)
	}
	t.Logf("%d directories of %d files renamed by 3 sessions on 2 gateways, %d times with a kill: no file lost; %d renames were repeated to the end",
		*stormRounds, *stormFiles, killed, refused)
}

func stormFile(dir string, i int) string { return fmt.Sprintf("%s/%d/file %d", dir, i%7, i) }

func stormContent(i int) []byte { return []byte(fmt.Sprintf("content of file %d", i)) }

// underEither says which file is under neither name.
func underEither(store *rig.Store, i int, names ...string) error {
	for _, dir := range names {
		if o, there := store.Get(rig.BucketName(0), stormFile(dir, i)); there && bytes.Equal(o.Data, stormContent(i)) {
			return nil
		}
	}
	return fmt.Errorf("file %d is under neither of %q", i, names)
}

// renameAtOnce has all do the same rename, and kills a gateway at some moment of it; killed reports whether that came
// before the end.
func renameAtOnce(gateways []*stormGateway, from, to string) (killed bool) {
	var sessions sync.WaitGroup
	for i := range 3 {
		sessions.Go(func() { _ = gateways[i%2].rename(from, to) })
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		sessions.Wait()
	}()
	select {
	case <-done:
		return false
	case <-time.After(time.Duration(rand.IntN(2**stormFiles)) * time.Millisecond):
		gateways[rand.IntN(2)].kill()
	}
	<-done
	return true
}

// finishRename repeats the rename until nothing is left under the old name, and returns how often that took.
func finishRename(t *testing.T, g *stormGateway, store *rig.Store, from, to string) (tries int) {
	t.Helper()
	for ; ; tries++ {
		left := 0
		for _, o := range store.Objects(rig.BucketName(0)) {
			if strings.HasPrefix(o.Key, from+"/") {
				left++
			}
		}
		if left == 0 {
			break
		}
		if tries == 5 {
			t.Fatalf("%d objects stay in %s: %s", left, from, g.rename(from, to))
		}
		_ = g.rename(from, to)
	}
	for i := range *stormFiles {
		if err := underEither(store, i, to); err != nil {
			t.Fatal(err)
		}
	}
	return tries
}

// stormGateway is the program on a conf of its own, which can be killed and started again.
type stormGateway struct {
	file, addr string
	proc       *rig.Program
}

func newStormGateway(t *testing.T, store *rig.Store) *stormGateway {
	t.Helper()
	home, port := rig.Homes(t), rig.FreePort(t)
	g := &stormGateway{file: filepath.Join(t.TempDir(), "vsftpd.conf"), addr: fmt.Sprintf("127.0.0.1:%d", port)}
	text := rig.ConfText(store, home, filepath.Join(home, "log"), port, map[string]string{
		"rename_dir_limit": "10000", "config_check_enable": "false",
	})
	if err := os.WriteFile(g.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g.start(t)
	return g
}

// start starts the program unless it runs.
func (g *stormGateway) start(t *testing.T) {
	t.Helper()
	if g.proc != nil && g.proc.Wait(0) < 0 {
		select {
		case <-g.proc.Done:
		default:
			return
		}
	}
	g.proc = rig.StartProgram(t, exec.Command(rig.Binary, "-conf", g.file))
	if !g.proc.Ready() {
		t.Fatalf("the program does not start: %s", g.proc.Output())
	}
}

func (g *stormGateway) kill() {
	g.proc.Cmd.Process.Kill()
	<-g.proc.Done
}

// rename is RNFR and RNTO; the reply is that of the last one that came.
func (g *stormGateway) rename(from, to string) (reply string) {
	p := &rig.Peer{Addr: g.addr}
	defer p.Close()
	if err := p.Connect(); err != nil {
		return err.Error()
	}
	p.Reply(rig.ReplyTime)
	for _, line := range []string{"USER user0", "PASS pass0", "RNFR " + from, "RNTO " + to} {
		if p.Send([]byte(line+"\r\n")) != nil {
			break
		}
		if reply = p.Reply(5 * time.Minute); !strings.HasPrefix(reply, "2") && !strings.HasPrefix(reply, "3") {
			break
		}
	}
	return reply
}
