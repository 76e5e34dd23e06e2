package rig

import "regexp"

var (
	CodeSpan = regexp.MustCompile("`[^`\n]+`")
)
