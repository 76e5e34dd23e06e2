package costest

import "fmt"

// bucketKind is what sets a bucket apart from an ordinary one.
type bucketKind struct {
	versioned bool
}

// bucketSpec is a bucket to make.
type bucketSpec struct {
	name string
	kind bucketKind
}

// BucketOption makes the bucket of WithBucket another one than an ordinary one.
type BucketOption func(*bucketKind)

// Versioned keeps every version of an object. PUT, Copy and Complete answer the new x-cos-version-id; HEAD, GET and
// listings show the newest version; DELETE hides the object behind a delete marker, which it answers as
// x-cos-delete-marker: true. x-cos-forbid-overwrite has no effect. See Server.Versions for the earlier versions:
// requests with a versionId are not implemented. AppendObject is refused, by guess with 409 ObjectNotAppendable.
func Versioned() BucketOption { return func(k *bucketKind) { k.versioned = true } }

// check returns an error if there is no such kind of bucket.
func (k bucketKind) check(name, dir string) error {
	if dir != "" && k.versioned {
		return fmt.Errorf("bucket %q: WithDir does not keep versions", name)
	}
	return nil
}
