package costest

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
)

// bucketKind is what sets a bucket apart from an ordinary one.
type bucketKind struct {
	accelerated bool
	noCopy      bool
	versioned   bool
	locked      bool
	kms         bool
	zones       bool
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
// x-cos-delete-marker: true. x-cos-forbid-overwrite has no effect. See Server.Versions for the earlier versions.
// Of the requests with a versionId only DELETE is implemented, and GET ?versions lists all in one page. AppendObject is
// refused, by guess with 409 ObjectNotAppendable.
func Versioned() BucketOption { return func(k *bucketKind) { k.versioned = true } }

// Locked gives the bucket an object lock with a default retention period that never ends: an object is stored, and stays.
// Deleting or replacing it is 409 ObjectLocked. That HEAD and GET tell the period as they were told it, in
// x-cos-object-lock-retain-until-date, is a guess.
func Locked() BucketOption { return func(k *bucketKind) { k.locked = true } }

// EncryptedByKMS encrypts the bucket with keys of KMS (SSE-KMS): HEAD and GET answer x-cos-server-side-encryption:
// cos/kms, and an ETag is none of the data and another one for each object, a copy too. That the CRC is still that of
// the data is a guess.
func EncryptedByKMS() BucketOption { return func(k *bucketKind) { k.kms = true } }

// MultiZone makes the bucket one of several availability zones (MAZ): HEAD Bucket answers X-Cos-Bucket-Az-Type: MAZ, an
// object without a storage class, or of STANDARD, gets MAZ_STANDARD, and only classes of several zones are taken.
// MAZ classes are copied to the same class only (document 436/10881).
func MultiZone() BucketOption { return func(k *bucketKind) { k.zones = true } }

// class is the storage class of a new object for which the request names one, "" for none.
func (k bucketKind) class(asked string) (string, error) {
	switch {
	case !k.zones:
		return asked, nil
	case asked == "":
		return "MAZ_STANDARD", nil
	case !strings.HasPrefix(asked, "MAZ_"):
		return "", errStorageClass.because("A bucket of several zones does not know %q.", asked)
	}
	return asked, nil
}

// changesZones reports whether a copy asks for another class than that of a source of several zones.
func (x *exchange) changesZones(src *object) bool {
	asked := cmp.Or(normalClass(x.r.Header.Get("X-Cos-Storage-Class")), "MAZ_STANDARD")
	return x.op == "CopyObject" && strings.HasPrefix(src.header.class, "MAZ_") && asked != src.header.class
}

// encrypted gives an object an ETag that tells nothing of its data, where the bucket encrypts it so.
func (b *bucketStore) encrypted(o *object) *object {
	if b.kind.kms {
		o.etag = newID()
	}
	return o
}

// bucketEncryption is GET Bucket encryption (document 436/40137).
func (x *exchange) bucketEncryption() error {
	if !x.store.kind.kms {
		return errNotConfigured
	}
	x.xml(http.StatusOK, []byte(xmlHead+"<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>"+
		"<SSEAlgorithm>KMS</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"))
	return nil
}

// bucketObjectLock is GET Bucket ObjectLockConfiguration (document 436/40134).
func (x *exchange) bucketObjectLock() error {
	if !x.store.kind.locked {
		return errNotConfigured
	}
	x.xml(http.StatusOK, []byte(xmlHead+"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>"+
		"<DefaultRetention><Mode>COMPLIANCE</Mode><Days>30</Days></DefaultRetention></Rule></ObjectLockConfiguration>"))
	return nil
}

// check returns an error if there is no such kind of bucket.
func (k bucketKind) check(name, dir string) error {
	switch {
	case k.accelerated && k.versioned:
		return fmt.Errorf("bucket %q: COS has no versions in a bucket with metadata acceleration", name)
	case k.locked && (k.versioned || k.accelerated):
		return fmt.Errorf("bucket %q: an object lock goes neither with versions nor with metadata acceleration", name)
	case dir != "" && (k.accelerated || k.versioned):
		return fmt.Errorf("bucket %q: WithDir keeps neither directories nor versions", name)
	}
	return nil
}
