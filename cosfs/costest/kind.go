package costest

import "fmt"

// bucketKind is what sets a bucket apart from an ordinary one.
type bucketKind struct {
	accelerated bool
	noCopy      bool
	versioned   bool
}

// bucketSpec is a bucket to make.
type bucketSpec struct {
	name string
	kind bucketKind
}

// BucketOption sets up the bucket of a WithBucket, which is an ordinary one without any.
type BucketOption func(*bucketKind)

// Accelerated gives the bucket metadata acceleration (OFS), which makes it a file system:
//
//   - HEAD Bucket answers X-Cos-Bucket-Arch: OFS.
//   - Storing a/b/c makes the directories a/ and a/b/. They are objects of their own and stay when c goes.
//   - HEAD and DELETE find a directory without its slash too. HEAD answers x-cos-file-mode-dir for one.
//   - A listing without delimiter is not recursive: it is what the delimiter "/" gives.
//   - PUT /to?rename with x-cos-rename-source: /from renames a file or a directory at once.
//   - DELETE /dir?recursive deletes a directory with all that is in it.
//   - AppendObject is refused.
//
// That much is in the Java SDK and its documentation, in coscli and in hadoop-cos. These are guesses: the value of
// x-cos-file-mode-dir ("true"); a file in the place of a directory, or the reverse, is 409 PathConflict; so is
// deleting a directory that is not empty, renaming a directory into itself, and renaming anything to an existing
// directory; a file renamed to an existing file replaces it; x-cos-rename-source is percent-decoded; renaming keeps
// Last-Modified; a key with an empty segment is 400 InvalidObjectName; GET finds a directory only with its slash and
// has no body; a directory is among the Contents of its own listing, as in an ordinary bucket; appending is
// 409 ObjectNotAppendable.
func Accelerated() BucketOption { return func(k *bucketKind) { k.accelerated = true } }

// WithoutCopy refuses CopyObject and UploadPartCopy to the bucket with 501 NotImplemented. The documentation of the
// Java SDK says that buckets with metadata acceleration lack both; whether that is still so, and the status, are not
// known.
func WithoutCopy() BucketOption { return func(k *bucketKind) { k.noCopy = true } }

// Versioned keeps every version of an object. PUT, Copy and Complete answer the new x-cos-version-id; HEAD, GET and
// listings show the newest version; DELETE hides the object behind a delete marker, which it answers as
// x-cos-delete-marker: true. x-cos-forbid-overwrite has no effect. See Server.Versions for the earlier versions:
// requests with a versionId are not implemented. AppendObject is refused, by guess with 409 ObjectNotAppendable.
func Versioned() BucketOption { return func(k *bucketKind) { k.versioned = true } }

// check returns an error if there is no such kind of bucket.
func (k bucketKind) check(name, dir string) error {
	switch {
	case k.accelerated && k.versioned:
		return fmt.Errorf("bucket %q: COS has no versions in a bucket with metadata acceleration", name)
	case dir != "" && (k.accelerated || k.versioned):
		return fmt.Errorf("bucket %q: WithDir keeps neither directories nor versions", name)
	}
	return nil
}
