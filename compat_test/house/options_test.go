package house

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tencentyun/cos-ftp-server/conf"
)

// derived is how the table of options writes a default that depends on the machine; the page says on what.
const derived = "default"

// TestOptionTables holds that the pages in both languages list every option with its default, and none that does not exist.
func TestOptionTables(t *testing.T) {
	for _, name := range tablePages["option"] {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("../..", name))
			if err != nil {
				t.Fatalf("%s must hold the table of options: %v", name, err)
			}
			rows := optionRows(string(text))
			for _, key := range conf.Keys() {
				if len(rows[key.Name]) == 0 {
					t.Errorf("no table row of [%s] begins with | `%s` |", key.Section, key.Name)
					continue
				}
				row := rows[key.Name][0] // of an option of two sections, the tables have both in their order
				if rows[key.Name] = rows[key.Name][1:]; len(rows[key.Name]) == 0 {
					delete(rows, key.Name)
				}
				if key.Default != "" && key.Default != derived && !strings.Contains(row, "`"+key.Default+"`") {
					t.Errorf("the row of %s does not give its default `%s`: %s", key.Name, key.Default, row)
				}
			}
			for unknown := range rows {
				t.Errorf("the table has `%s`, which is no option", unknown)
			}
		})
	}
}

var optionRow = regexp.MustCompile("(?m)^\\| *`([a-z]+_[a-z_]+|authority|perm|banner)` *\\|(.*)$")

func optionRows(text string) map[string][]string {
	rows := map[string][]string{}
	for _, m := range optionRow.FindAllStringSubmatch(text, -1) {
		rows[m[1]] = append(rows[m[1]], m[2])
	}
	return rows
}

var exampleOption = regexp.MustCompile(`(?m)^#?([a-z_]+) = `)

func TestExampleNamesEveryOption(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("../..", "conf", "vsftpd.conf.example"))
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, m := range exampleOption.FindAllStringSubmatch(string(text), -1) {
		named = append(named, m[1])
	}
	var known []string
	for _, key := range conf.Keys() {
		known = append(known, key.Name)
		if !slices.Contains(named, key.Name) {
			t.Errorf("conf/vsftpd.conf.example lacks %s", key.Name)
		}
	}
	for _, name := range named {
		if !slices.Contains(known, name) {
			t.Errorf("conf/vsftpd.conf.example has %s, which is no option", name)
		}
	}
}
