package faults

import (
	"bytes"
	"fmt"
	"strings"
)

// What the clients of a history store tells by itself what it is: it consists of cells of 8 bytes, each of which
// names the content and the place of the cell in it. So a file can be taken apart into the pieces that made it, also
// where it should never have come about.
const (
	contentCell   = 8
	contentLast   = '\n' // byte of a cell; in no other place
	contentFirst  = '{'  // byte of a content; in no other place
	contentInside = ' '  // first byte of all other cells
)

// contentDigit writes 6 bits as a byte that is none of the marks.
func contentDigit(v int) byte { return byte('0' + v&63) }

func contentNumber(digits []byte) (n int, ok bool) {
	for _, d := range digits {
		if d < '0' || d >= '0'+64 {
			return 0, false
		}
		n = n<<6 | int(d-'0')
	}
	return n, true
}

// tellingContent is the bytes from..from+size of the content of a number below 4096.
func tellingContent(id, from, size int) []byte {
	first := from / contentCell
	content := make([]byte, 0, size+2*contentCell)
	for cell := first; len(content) < from-first*contentCell+size; cell++ {
		mark := byte(contentInside)
		if cell == 0 {
			mark = contentFirst
		}
		content = append(content, mark, contentDigit(id>>6), contentDigit(id),
			contentDigit(cell>>18), contentDigit(cell>>12), contentDigit(cell>>6), contentDigit(cell), contentLast)
	}
	return content[from-first*contentCell:][:size]
}

// piece is a part of a file: the bytes from..to of one content.
type piece struct {
	id       int
	from, to int // to is unseenEnd where the history never shows it
}

const (
	unseenEnd  = -1
	foreignID  = -1 // of bytes that no client sent
	unseenID   = -2 // of bytes that nobody looked at
	maxContent = 4096
)

// takeApart is the pieces of a file. Neighbours that continue each other are one piece.
func takeApart(data []byte) (pieces []piece) {
	for len(data) > 0 {
		p, n := firstPiece(data)
		pieces = addPiece(pieces, p)
		data = data[n:]
	}
	return pieces
}

// addPiece does not change the slice that it is given.
func addPiece(pieces []piece, p piece) []piece {
	if p.from == p.to {
		return pieces
	}
	last := len(pieces) - 1
	if last >= 0 && pieces[last].id == p.id && pieces[last].to == p.from {
		joined := append([]piece{}, pieces...)
		joined[last].to = p.to
		return joined
	}
	return append(pieces[:len(pieces):len(pieces)], p)
}

// firstPiece is the longest beginning of data that is a part of one content.
func firstPiece(data []byte) (p piece, n int) {
	id, from, ok := identify(data)
	if ok {
		n = agreement(data, id, from)
	}
	if n == 0 {
		n = 1 + max(bytes.IndexByte(data[1:], contentFirst), -1)
		if n == 0 {
			n = len(data)
		}
		return piece{foreignID, 0, n}, n
	}
	return piece{id, from, from + n}, n
}

// identify reads the first mark in data that tells a content and the place in it.
func identify(data []byte) (id, from int, ok bool) {
	if data[0] == contentFirst {
		if len(data) < 3 {
			return 0, 0, false
		}
		id, ok = contentNumber(data[1:3])
		return id, 0, ok
	}
	// A content can be cut, and begun again, at any byte: the first whole cell tells where.
	end := bytes.IndexByte(data[:min(len(data), contentCell)], contentLast)
	cell := data[end+1:]
	if end < 0 && data[0] != contentInside || len(cell) < contentCell || cell[0] != contentInside {
		return 0, 0, false
	}
	id, idOK := contentNumber(cell[1:3])
	index, indexOK := contentNumber(cell[3:7])
	from = index*contentCell - (end + 1)
	return id, from, idOK && indexOK && from >= 0
}

// agreement is how many bytes at the beginning of data are those of a content from an offset on.
func agreement(data []byte, id, from int) int {
	const stretch = 64 << 10 // to compare at once
	for n := 0; n < len(data); {
		// Only the cells concerned are made: files have megabytes, and differ early.
		want := tellingContent(id, from+n, min(stretch, len(data)-n))
		have := data[n : n+len(want)]
		if !bytes.Equal(have, want) {
			for i := range want {
				if have[i] != want[i] {
					return n + i
				}
			}
		}
		n += len(want)
	}
	return len(data)
}

// describePieces is for people: "u12[0:20]+u13[0:8]".
func describePieces(pieces []piece) string {
	if len(pieces) == 0 {
		return "empty"
	}
	var parts []string
	for _, p := range pieces {
		switch {
		case p.id == foreignID:
			parts = append(parts, fmt.Sprintf("?[%d bytes]", p.to))
		case p.to == unseenEnd:
			parts = append(parts, fmt.Sprintf("u%d[%d:?]", p.id, p.from))
		default:
			parts = append(parts, fmt.Sprintf("u%d[%d:%d]", p.id, p.from, p.to))
		}
	}
	return strings.Join(parts, "+")
}
