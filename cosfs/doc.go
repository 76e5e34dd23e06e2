// Package cosfs shows one bucket of Tencent Cloud Object Storage (COS) as a tree of files. It knows COS and nothing
// of FTP.
//
// An [Engine] holds what all accounts of a process share: connections, upload and download slots, transfer memory.
// An [FS] is the tree of one bucket:
//
//	engine := cosfs.NewEngine(cosfs.EngineOptions{UploadThreads: 16, DownloadThreads: 16, Memory: 256 << 20})
//	defer engine.Close()
//	tree, err := cosfs.New(cosfs.Options{
//		SecretID: id, SecretKey: key,
//		Bucket: "photos-1250000000", Host: "photos-1250000000.cos.ap-guangzhou.myqcloud.com", Scheme: "https",
//	}, engine)
//	for entry, err := range tree.List(ctx, "/2026") {
//		…
//	}
//
// # Names
//
// A name is absolute, clean and separated by slashes; its key in the bucket is the name without the first slash. A
// directory is a marker, the empty object "name/", or any key below "name/"; so one without a marker is gone with
// its last file. COS also allows a file and a directory of one name: [FS.Stat] then tells about the file,
// [FS.StatDir] about the directory, and a listing shows both. Names that COS cannot hold are refused, keys that no
// name can tell are left out of listings.
//
// A file's modification time and mode are x-cos-meta-mtime and x-cos-meta-mode, as cosfs and rclone keep them, where
// an object has these; listings, in which COS does not tell them, show Last-Modified, unless Options.ListMetadata pays a
// HEAD for each file.
//
// # What others see, and when
//
// Uploads, renames and removals are complete for every reader once their method has returned nil, except in
// listings, which COS brings up to date a little later. An FS therefore shows its own changes of the last 30 seconds
// on top of what COS lists. Within that time it may list a file that another client has just deleted, or hide one
// that another has just stored again within the same second. Stat, Open and all the rest always ask COS.
//
// Nothing here is a transaction over several objects. A rename is a copy and a deletion, and two clients that write
// one name both succeed: the last to finish wins. The rename of a directory copies every object before it deletes the
// first one, so that at any moment the old or the new directory is complete, or both are; where it broke off, the same
// rename again finishes it. In a bucket with metadata acceleration COS renames files and directories itself, in one step.
//
// # Errors
//
// Errors say what was done to which key and match, with [errors.Is]:
//
//	fs.ErrNotExist          no such file or directory; never a missing bucket, a refusal or an outage
//	fs.ErrExist             Mkdir of what is there
//	fs.ErrPermission        COS refuses: rights, key pair, clock, or an archived object that must be restored first
//	fs.ErrInvalid           COS cannot hold such a name; Rename of a directory into itself
//	syscall.EISDIR          a file was expected and the name is a directory
//	syscall.ENOTDIR         a directory was expected and the name is a file
//	syscall.ENOTEMPTY       RemoveDir of what holds something, Rename of a directory onto it
//	syscall.EFBIG           the file is too big
//	syscall.ESTALE          the file, or one in the directory, changed meanwhile
//	errors.ErrUnsupported   this package cannot do it: Rename of a directory of too many objects, for one
//	context.Canceled        the caller's context ended
//
// Requests that fail for a reason that may pass (no connection, no answer, 5xx, 409, 429) are repeated with growing
// pauses: for 20 s, or for EngineOptions.Patience where a transfer or a copy is under way, as long as its context lasts.
// If that does not help, the error has a method that tells an outage from a refusal:
//
//	var outage interface{ Temporary() bool }
//	if errors.As(err, &outage) && outage.Temporary() { … }
//
// An unknown host name, or a certificate that is not COS's, is such an outage too, but is not tried again at once.
//
// No error text holds a key pair or a signature.
package cosfs
