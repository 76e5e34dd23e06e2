package abuse

import (
	"path"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

func newMemFS(files map[string]string) *rig.MemFS {
	m := &rig.MemFS{Files: map[string][]byte{}, Dirs: map[string]bool{"/": true}}
	for name, content := range files {
		m.Files[name] = []byte(content)
		m.Dirs[path.Dir(name)] = true
	}
	return m
}
