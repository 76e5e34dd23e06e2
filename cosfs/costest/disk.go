package costest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// disk is a bucket in a directory:
//
//	data/aa/ID          bodies as they came in; several records may share one
//	objects/aa/SHA.json one record per object, named after the hash of its key
//	uploads/ID/         upload.json and one N.json per part
//	tmp/                records before they are renamed to their place
//
// An object changes in the moment its record is renamed; bodies that no record names are removed at the start.
// Nothing is synced: the store survives the end of the process, not of the machine.
type disk struct{ dir string }

// record is an object, an upload or a part as it is written. Keys and metadata may hold any bytes.
type record struct {
	Key         []byte
	Body        []spanRecord      `json:",omitempty"`
	Size        int64             `json:",omitempty"`
	CRC         uint64            `json:",omitempty"`
	ETag        string            `json:",omitempty"`
	ContentType string            `json:",omitempty"`
	Class       string            `json:",omitempty"`
	Meta        map[string][]byte `json:",omitempty"`
	Headers     map[string][]byte `json:",omitempty"`
	Modified    time.Time
	Append      bool   `json:",omitempty"`
	Upload      string `json:",omitempty"` // the upload that made an object
	Number      int    `json:",omitempty"` // of a part
}

// spanRecord is a span; File is relative to the data directory, "" for a body that was not kept.
type spanRecord struct {
	File         string `json:",omitempty"`
	Chunk        int64
	Offset, Size int64
}

// bucketDirs returns the buckets that a store's directory holds; it makes the directory.
func bucketDirs(dir string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the store's directory: %w", err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*", "objects"))
	if err != nil {
		return nil, fmt.Errorf("look for buckets in %q: %w", dir, err)
	}
	var names []string
	for _, path := range found {
		names = append(names, filepath.Base(filepath.Dir(path)))
	}
	return names, nil
}

// openDisk makes the bucket live in a directory and reads what it holds.
func (b *bucketStore) openDisk(dir string) error {
	if b.server.discard {
		return nil
	}
	if b.name == "" || b.name != filepath.Base(b.name) || b.name[0] == '.' {
		return fmt.Errorf("a bucket cannot have the name %q", b.name)
	}
	d := &disk{filepath.Join(dir, b.name)}
	if err := os.RemoveAll(d.path("tmp")); err != nil {
		return err
	}
	for _, name := range []string{"data", "objects", "uploads", "tmp"} {
		if err := os.MkdirAll(d.path(name), 0o755); err != nil {
			return err
		}
	}
	l := &loader{disk: d, bucket: b, chunks: map[string]*chunk{}}
	if err := l.load(); err != nil {
		return err
	}
	b.disk = d
	return nil
}

func (d *disk) path(elem ...string) string { return filepath.Join(append([]string{d.dir}, elem...)...) }

// preparedFile is a record written but not in its place yet. The zero value does nothing.
type preparedFile struct{ temp, final string }

func (p preparedFile) publish() error {
	if p.temp == "" {
		return nil
	}
	return os.Rename(p.temp, p.final)
}

func (p preparedFile) discard() {
	if p.temp != "" {
		_ = os.Remove(p.temp) // the next start sweeps
	}
}

// prepare writes a record for the place final.
func (d *disk) prepare(final string, r record) (preparedFile, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return preparedFile{}, err
	}
	p := preparedFile{temp: d.path("tmp", newID()), final: final}
	if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
		return preparedFile{}, err
	}
	if err := os.WriteFile(p.temp, text, 0o644); err != nil {
		p.discard()
		return preparedFile{}, err
	}
	return p, nil
}

func (d *disk) objectPath(key string) string {
	sum := sha256.Sum256([]byte(key))
	name := hex.EncodeToString(sum[:])
	return d.path("objects", name[:2], name+".json")
}

func (d *disk) prepareObject(o *object) (preparedFile, error) {
	r := headerRecord(o.key, o.header, o.modified)
	r.Body, r.Size, r.CRC, r.ETag, r.Append, r.Upload = d.spans(o.body), o.size, o.crc, o.etag, o.append, o.upload
	return d.prepare(d.objectPath(o.key), r)
}

func (d *disk) removeObject(key string) error { return os.Remove(d.objectPath(key)) }

// writeUpload writes the record of a new upload.
func (d *disk) writeUpload(u *upload) error {
	p, err := d.prepare(d.path("uploads", u.id, "upload.json"), headerRecord(u.key, u.header, u.started))
	if err != nil {
		return err
	}
	return p.publish()
}

func (d *disk) preparePart(u *upload, p *part) (preparedFile, error) {
	return d.prepare(d.path("uploads", u.id, strconv.Itoa(p.number)+".json"), record{
		Key: []byte(u.key), Body: d.spans(p.body), Size: p.size, CRC: p.crc, ETag: p.etag,
		Modified: p.modified, Number: p.number,
	})
}

// removeUpload removes the records of an upload, first the one that makes it an upload.
func (d *disk) removeUpload(u *upload) {
	_ = os.Remove(d.path("uploads", u.id, "upload.json"))
	_ = os.RemoveAll(d.path("uploads", u.id)) // what is left the next start sweeps
}

func headerRecord(key string, h header, modified time.Time) record {
	return record{
		Key: []byte(key), ContentType: h.contentType, Class: h.class, Modified: modified,
		Meta: toBytes(h.meta), Headers: toBytes(h.other),
	}
}

func (r record) header() header {
	return header{contentType: r.ContentType, class: r.Class, meta: toStrings(r.Meta), other: toStrings(r.Headers)}
}

func toBytes(m map[string]string) map[string][]byte {
	out := map[string][]byte{}
	for k, v := range m {
		out[k] = []byte(v)
	}
	return out
}

func toStrings(m map[string][]byte) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		out[k] = string(v)
	}
	return out
}

func (d *disk) spans(b blob) []spanRecord {
	var out []spanRecord
	for _, s := range b {
		name := strings.TrimPrefix(s.chunk.file, d.path("data")+string(filepath.Separator))
		out = append(out, spanRecord{File: name, Chunk: s.chunk.size, Offset: s.off, Size: s.n})
	}
	return out
}

// owns reports whether all files of a body are this bucket's.
func (d *disk) owns(b blob) bool {
	for _, s := range b {
		if s.chunk.file != "" && !strings.HasPrefix(s.chunk.file, d.path("data")+string(filepath.Separator)) {
			return false
		}
	}
	return true
}

// fileSink writes a body to a file.
type fileSink struct {
	file *os.File
	nullSink
}

func (d *disk) newSink() (sink, error) {
	id := newID()
	dir := d.path("data", id[:2])
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, id), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	return &fileSink{file: f, nullSink: nullSink{room: rooms.Get().(*[]byte)}}, nil
}

func (s *fileSink) filled(n int) error {
	if _, err := s.file.Write((*s.room)[:n]); err != nil {
		return err
	}
	return s.nullSink.filled(n)
}

func (s *fileSink) done() (blob, error) {
	if err := s.file.Close(); err != nil {
		return nil, err
	}
	s.nullSink.abort()
	if s.size == 0 {
		return nil, os.Remove(s.file.Name())
	}
	c := &chunk{size: s.size, file: s.file.Name()}
	return blob{{chunk: c, n: s.size}}.retain(), nil
}

func (s *fileSink) abort() {
	_ = s.file.Close()
	_ = os.Remove(s.file.Name()) // the next start sweeps
	s.nullSink.abort()
}

// loader reads a bucket from its directory.
type loader struct {
	disk   *disk
	bucket *bucketStore
	chunks map[string]*chunk // by file
	made   map[string]bool   // uploads that became objects
}

func (l *loader) load() error {
	l.made = map[string]bool{}
	objects, err := filepath.Glob(l.disk.path("objects", "*", "*.json"))
	if err != nil {
		return err
	}
	for _, path := range objects {
		if err := l.object(path); err != nil {
			return fmt.Errorf("object record %q: %w", path, err)
		}
	}
	uploads, err := os.ReadDir(l.disk.path("uploads"))
	if err != nil {
		return err
	}
	for _, dir := range uploads {
		if err := l.upload(dir.Name()); err != nil {
			return fmt.Errorf("upload %q: %w", dir.Name(), err)
		}
	}
	return l.sweep()
}

func readRecord(path string) (r record, err error) {
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	return r, err
}

func (l *loader) object(path string) error {
	r, err := readRecord(path)
	if err != nil {
		return err
	}
	body, err := l.body(r)
	if err != nil {
		return err
	}
	o := &object{
		key: string(r.Key), body: body, size: r.Size, crc: r.CRC, etag: r.ETag,
		header: r.header(), modified: r.Modified, append: r.Append, upload: r.Upload,
	}
	e := l.bucket.index.at(o.key)
	e.current, e.listed = o, o
	if r.Upload != "" {
		l.made[r.Upload] = true
	}
	return nil
}

// body finds the chunks of a record and retains them.
func (l *loader) body(r record) (blob, error) {
	var b blob
	for _, s := range r.Body {
		c, err := l.chunk(s)
		if err != nil {
			return nil, err
		}
		b = append(b, span{c, s.Offset, s.Size})
	}
	return b.retain(), nil
}

func (l *loader) chunk(s spanRecord) (*chunk, error) {
	if s.File == "" {
		return &chunk{size: s.Chunk}, nil
	}
	path := l.disk.path("data", s.File)
	if c := l.chunks[path]; c != nil {
		return c, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() != s.Chunk {
		return nil, fmt.Errorf("%q has %d bytes, want %d", path, info.Size(), s.Chunk)
	}
	c := &chunk{size: s.Chunk, file: path}
	l.chunks[path] = c
	return c, nil
}

// upload reads an open upload. What is left of one that was completed or aborted when the process ended goes.
func (l *loader) upload(id string) error {
	head, err := readRecord(l.disk.path("uploads", id, "upload.json"))
	if errors.Is(err, fs.ErrNotExist) || err == nil && l.made[id] {
		return os.RemoveAll(l.disk.path("uploads", id))
	}
	if err != nil {
		return err
	}
	u := &upload{key: string(head.Key), id: id, header: head.header(), started: head.Modified}
	u.parts, u.coming = map[int]*part{}, map[int]bool{}
	paths, err := filepath.Glob(l.disk.path("uploads", id, "[0-9]*.json"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		r, err := readRecord(path)
		if err != nil {
			return err
		}
		body, err := l.body(r)
		if err != nil {
			return err
		}
		u.parts[r.Number] = &part{
			number: r.Number, body: body, size: r.Size, crc: r.CRC, etag: r.ETag, modified: r.Modified,
		}
	}
	l.bucket.uploads[id] = u
	return nil
}

// sweep removes bodies that no record names.
func (l *loader) sweep() error {
	return filepath.WalkDir(l.disk.path("data"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || l.chunks[path] != nil {
			return err
		}
		return os.Remove(path)
	})
}
