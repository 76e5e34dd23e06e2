package confcheck

import (
	"github.com/tencentyun/cos-ftp-server/conf"
)

const (
	kib = 1 << 10
	mib = 1 << 20

	// The parts of Estimate, in bytes. The sum is a bound if the collector is told of it, see HeapLimit.
	baseBytes    = 40 * mib    // the program itself, idle, its code included
	sessionBytes = 128 * kib   // a control connection: buffers, stacks, state, one small COS request
	tlsBytes     = 64 * kib    // more for a connection under TLS, control or data
	dataBytes    = 128 * kib   // a data connection: buffers and stacks; its data is in the transfer memory
	listingBytes = 5 * mib / 2 // a LIST: a page of 1000 names being sent and the next being read, keys of 400 bytes
	remoteBytes  = 128 * kib   // a connection to COS: TLS and HTTP buffers
	movedBytes   = kib         // an object of a directory that is renamed: its key, twice, and what belongs to it
	dirMoves     = 4           // directories renamed at once
	bannedBytes  = 512         // an address that passwords were guessed from, with ban_after
	guessBytes   = 16          // each of its guesses
	banned       = 10_000      // such addresses, at most
	spareRemotes = 16          // connections to COS beside those of parts and ranges
	listRemotes  = 32          // and those of list_metadata

	// The transfer memory that is derived: an eighth of what is available, but room for fourParts at full speed,
	// and no more than mostTransfer, which saturates any network this gateway sits in.
	transferShare = 8
	fourParts     = 4
	mostTransfer  = 512 * mib

	// overhead is what must be there beside whole parts, so that small transfers get in beside big ones.
	overhead = 4 * mib

	// unlimitedConnections is what max_connection_num = 0 is counted as: the original's default.
	unlimitedConnections = 512
)

// allowed is the share of the available memory that the server may use: the original's 60 %.
func allowed(available int64) float64 { return 0.6 * float64(available) }

// connections is max_connection_num, or what stands for it where there is no limit.
func connections(cfg *conf.Config) int64 {
	if cfg.MaxConnectionNum == 0 {
		return unlimitedConnections
	}
	return int64(cfg.MaxConnectionNum)
}

// FixedMemory is an upper bound in bytes of what the process uses beside the transfer memory. Of the sockets that the
// listener leaves, all may be sessions; a session that lists or transfers needs a second one.
func FixedMemory(cfg *conf.Config) int64 {
	sessions := connections(cfg) - 1
	moved := dirMoves * int64(cfg.RenameDirLimit)
	fixed := baseBytes + sessions*sessionBytes + sessions/2*(dataBytes+listingBytes) + remotes(cfg)*remoteBytes + moved*movedBytes
	if cfg.TLSCertFile != "" {
		fixed += sessions * tlsBytes
	}
	if cfg.BanAfter > 0 {
		fixed += banned * (bannedBytes + guessBytes*int64(cfg.BanAfter))
	}
	return fixed
}

// remotes is how many connections to COS may be open for what is counted per server.
func remotes(cfg *conf.Config) int64 {
	n := int64(cfg.UploadThreadNum) + int64(cfg.DownloadThreadNum) + spareRemotes
	if cfg.ListMetadata {
		n += listRemotes
	}
	return n
}

// HeapLimit is what the garbage collector should be told to keep to, in bytes (debug.SetMemoryLimit): FixedMemory,
// since transfer memory is not on its heap. Where a configuration is admitted that could take more than there is, for
// the original's sake, it is four fifths of what there is, less the transfer memory: garbage shall not be what gets the
// process killed in a cgroup.
func HeapLimit(cfg *conf.Config, m Machine) int64 {
	fixed := FixedMemory(cfg)
	if m.MemAvailable <= 0 {
		return fixed
	}
	return max(min(fixed, m.MemAvailable/5*4-TransferMemory(cfg, m)), baseBytes)
}

// leastTransferMemory is what transfers cannot do without, in bytes: an upload fills a part while another is sent.
func leastTransferMemory(cfg *conf.Config) int64 {
	return roundUp(2*cfg.PartSize()) + overhead
}

func roundUp(n int64) int64 { return (n + mib - 1) / mib * mib }

// TransferMemory is the ceiling in bytes of all transfer buffers: transfer_memory where it is given, else derived. It
// is never less than two parts need.
//
// Derived is an eighth of the available memory, but at least four parts and at most 512 MiB; less where the whole
// would pass 60 % of the available memory.
func TransferMemory(cfg *conf.Config, m Machine) int64 {
	least := leastTransferMemory(cfg)
	if cfg.TransferMemory > 0 {
		return max(cfg.TransferMemory, least)
	}
	comfort := roundUp(fourParts*cfg.PartSize()) + overhead
	if m.MemAvailable <= 0 {
		return comfort
	}
	wanted := max(min(m.MemAvailable/transferShare, mostTransfer), comfort)
	room := int64(allowed(m.MemAvailable)) - FixedMemory(cfg)
	return max(min(wanted, room)/mib*mib, least)
}

// Estimate is an upper bound in bytes of the memory that the process uses, with max_connection_num connections all
// busy at once.
func Estimate(cfg *conf.Config, m Machine) int64 {
	return FixedMemory(cfg) + TransferMemory(cfg, m)
}

// originalAccepts says whether the original starts with cfg where available bytes are free: its own formula, with the
// limit of its default for max_connection_num = 0.
func originalAccepts(cfg *conf.Config, available int64) bool {
	return available > 0 && float64(originalNeed(cfg)) <= allowed(available)
}

func originalNeed(cfg *conf.Config) int64 {
	others := connections(cfg) - 1
	part := cfg.PartSize()
	if part <= mib {
		part = 1 // min_part_size may have been anything below, and was raised
	}
	return 20*mib + others*2*mib + others/2*int64(cfg.MaxListFile)*kib + (others/2+int64(cfg.UploadThreadNum))*part
}

// openFiles is how many file descriptors the process may need.
func openFiles(cfg *conf.Config) uint64 {
	const others = 16 // standard streams, log, epoll, name lookups
	sockets := connections(cfg)
	return uint64(sockets + remotes(cfg) + sockets/2 + others)
}
