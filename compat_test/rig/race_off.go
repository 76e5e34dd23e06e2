//go:build !race

package rig

// RaceEnabled reports whether the tests run with the race detector.
const RaceEnabled = false
