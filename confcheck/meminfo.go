package confcheck

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// readMemory reads how much memory is available, in bytes: on the machine, and to this process, which is less where
// a cgroup (version 1 or 2) limits it. 0 means unknown. root is the file system of the machine.
func readMemory(root fs.FS) (host, own int64) {
	host = memAvailable(root)
	own = host
	for _, group := range memoryGroups(root) {
		if left, limited := group.left(root); limited && (own == 0 || left < own) {
			own = max(left, 1) // full, not unknown
		}
	}
	return host, own
}

// memAvailable is MemAvailable of /proc/meminfo. Kernels before 3.14 have none: there, what is free or cached.
func memAvailable(root fs.FS) int64 {
	fields := map[string]int64{}
	for line := range strings.Lines(text(root, "proc/meminfo")) {
		name, value, _ := strings.Cut(line, ":")
		n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		if err == nil {
			fields[name] = n * kib
		}
	}
	if available, ok := fields["MemAvailable"]; ok {
		return available
	}
	return fields["MemFree"] + fields["Buffers"] + fields["Cached"]
}

// memoryGroup is a directory of the cgroup file system that may limit memory.
type memoryGroup struct {
	dir                string
	limit, used, cache string // names of files; cache is a line of memory.stat
}

// memoryGroups are the cgroups this process is in, up to the root. In a container the path may be that outside, of
// which only the root is to be seen.
func memoryGroups(root fs.FS) []memoryGroup {
	var groups []memoryGroup
	for line := range strings.Lines(text(root, "proc/self/cgroup")) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		group := memoryGroup{limit: "memory.max", used: "memory.current", cache: "inactive_file"}
		mount := "sys/fs/cgroup"
		switch {
		case parts[0] == "0" && parts[1] == "":
		case strings.Contains(","+parts[1]+",", ",memory,"):
			group = memoryGroup{limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes", cache: "total_inactive_file"}
			mount = "sys/fs/cgroup/memory"
		default:
			continue
		}
		for dir := path.Clean("/" + parts[2]); ; dir = path.Dir(dir) {
			group.dir = path.Join(mount, dir)
			groups = append(groups, group)
			if dir == "/" {
				break
			}
		}
	}
	return groups
}

// left is how many bytes of the limit are unused; file pages that can be dropped count as unused.
func (g memoryGroup) left(root fs.FS) (left int64, limited bool) {
	limit, err := strconv.ParseInt(strings.TrimSpace(text(root, path.Join(g.dir, g.limit))), 10, 64)
	if err != nil {
		return 0, false // no such file, or "max"
	}
	used, err := strconv.ParseInt(strings.TrimSpace(text(root, path.Join(g.dir, g.used))), 10, 64)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(text(root, path.Join(g.dir, "memory.stat"))) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); name == g.cache {
			cached, _ := strconv.ParseInt(value, 10, 64)
			used -= min(cached, used)
		}
	}
	return limit - used, true
}

// text is a file's content, "" if it cannot be read.
func text(root fs.FS, name string) string {
	content, _ := fs.ReadFile(root, name)
	return string(content)
}
