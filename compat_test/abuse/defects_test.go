package abuse

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// defect is something that one of our predecessors did wrong: L is ftpserverlib, by the numbers of our review of it
// (docs/decisions.md has the summary), O the Python original, losses and bugs, the worst first.
type defect struct {
	id, what string
	tests    string // that are not in TestAbuse, as package.Test
}

var defects = []defect{
	{"L0", "a command line that the end of its connection, a reset or a timeout cuts off is executed; bytes that make no line keep a session for ever", ""},
	{"L1", "replies are written from two goroutines: they are garbled, out of order, missing, or the session is mute for good", ""},
	{"L2", "a reply that comes later than the idle timeout is lost, though its command was done", ""},
	{"L3", "any command during a transfer stops the reading of commands: no ABOR, no notice of the client's end", ""},
	{"L4", "a stranger's connection to a passive port spoils the transfer, and the next one uses it unchecked", ""},
	{"L5", "ABOR waits as long as a data connection may take to come", ""},
	{"L6", "PORT after PASV leaks the passive port", ""},
	{"L7", "a panic of the storage leaves the data connection and the session hanging, others end the process", "ftpserver.TestPanicEndsOneSessionOnly"},
	{"L8", "a download in ASCII, the default type, takes a system call per line", ""},
	{"L9", "data connections have no idle timeout and no deadline for their TLS handshake", "ftpserver.TestHandshakeDeadlines"},
	{"L10", "without idle timeout all passwords that lie in one packet are tried, and the commands behind them run", ""},
	{"L11", "421, which ends a session, is the answer to a lack of ports", ""},
	{"L12", "a client whose address is known late holds up the accepting of all others", ""},
	{"L13", "MODE Z speaks a format that its clients do not", ""},
	{"L14", "commands without their argument act on the current directory; REST takes negative offsets", ""},
	{"L15", "STAT prints a literal %s and needs a login, PORT looks names up, AUTH and PROT take any argument, HASH looks in the wrong directory, USER keeps the rights of the user before", "ftpserver.TestArgumentsOfAuthPbszProt ftpserver.TestDialogues"},
	{"O1", "an upload that ends early is committed as a whole over the old file, and a reset one is answered 226", "compat_test/replay.TestReplay ftpserver.TestInterruptedUpload"},
	{"O2", "APPE replaces the file", ""},
	{"O3", "a download that COS cuts short ends with 226", "cosfs.TestBrokenDownloadResumes"},
	{"O4", "a second STOR takes over the data connection of the first, whose bytes vanish", "ftpserver.TestSecondTransferWaits"},
	{"O5", "an upload whose last request to COS fails is never answered, and its parts stay", ""},
	{"O6", "an upload that COS refuses to begin stores its first part as the file", ""},
	{"O7", "NLST and MLST close the session", ""},
	{"O8", "listings of another directory have cut names", ""},
	{"O9", "DELE and RMD say 250 for what is not there, and RMD for full directories", ""},
	{"O10", "a file is there when any longer name is", ""},
	{"O11", "1000 names hide a directory behind them", ""},
	{"O12", "MDTM, MFMT, SITE CHMOD and STOU act on the gateway's own disk", "compat_test/replay.TestReplay"},
	{"O13", "one thread serves all: a slow request to COS stops everybody", "ftpserver.TestBlockedStorageStopsNobodyElse"},
	{"O14", "when the passive ports are used up, others are opened", "ftpserver.TestPassiveRange"},
	{"O15", "delete_enable = false stops neither the overwriting nor the renaming of files (kept, because uploads under a temporary name need it; `perm` without a, f and w does stop them)", "ftpserver.TestEachLetterOfPerm"},
	{"O16", "the log at DEBUG holds keys and signatures", "compat_test/abuse.TestDebugLogHoldsNoSecret"},
	{"O17", "an upload thread that dies leaves the whole server in a loop", "cosfs.TestPanicInTheBackgroundIsTheCallers"},
}

// reliabilityFile is where the table of defects stands.
const reliabilityFile = "../../docs/reliability.md"

// TestDefectsAreInTheDocs holds that every defect has a test, that each test is there, and that the table in the
// documentation says so, with what the library does in the same tests.
func TestDefectsAreInTheDocs(t *testing.T) {
	text, err := os.ReadFile(reliabilityFile)
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, d := range defects {
		rows = append(rows, d.row(t))
	}
	table := "| defect | tests | ftpserverlib |\n|---|---|---|\n" + strings.Join(rows, "\n") + "\n"
	if !strings.Contains(string(text), table) {
		t.Errorf("%s lacks this table:\n%s", reliabilityFile, table)
	}
	for _, x := range abuses {
		for id := range strings.FieldsSeq(x.fixes) {
			if !slices.ContainsFunc(defects, func(d defect) bool { return d.id == id }) {
				t.Errorf("abuse %s is about defect %s, which is none", x.name, id)
			}
		}
	}
}

func (d defect) row(t *testing.T) string {
	t.Helper()
	var tests, failing []string
	known, played := rig.KnownFailures(t), 0
	for _, x := range abuses {
		if !slices.Contains(strings.Fields(x.fixes), d.id) {
			continue
		}
		played++
		tests = append(tests, "`TestAbuse/"+x.name+"`")
		switch entry := rig.KnownAs(known, x.name); {
		case strings.HasPrefix(entry, rig.Sometimes):
			failing = append(failing, x.name+" (at times)")
		case entry != "":
			failing = append(failing, x.name)
		}
	}
	for name := range strings.FieldsSeq(d.tests) {
		requireTest(t, name)
		tests = append(tests, "`"+name+"`")
	}
	if len(tests) == 0 {
		t.Errorf("defect %s has no test", d.id)
	}
	verdict := "fails: " + strings.Join(failing, ", ")
	switch {
	case played == 0:
		verdict = "not tried"
	case len(failing) == 0:
		verdict = "passes"
	case len(failing) == played && !strings.Contains(verdict, "("):
		verdict = "fails"
	}
	return fmt.Sprintf("| %s: %s | %s | %s |", d.id, d.what, strings.Join(tests, ", "), verdict)
}

// requireTest fails where the source has no such test, package.Test.
func requireTest(t *testing.T, name string) {
	t.Helper()
	room, test, _ := strings.Cut(name, ".")
	files, err := filepath.Glob(filepath.Join("../..", room, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "func "+test+"(t *testing.T)") {
			return
		}
	}
	t.Errorf("%s is no test", name)
}
