// Package rig starts the program and a COS for it, talks FTP to it, and cuts its connections. The tests that use it are
// in the folders beside it, by theme.
package rig
