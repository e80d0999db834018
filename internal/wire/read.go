package wire

import (
	"bytes"
	"errors"
	"io"
)

// ErrTooLarge means that a body exceeds the limit it is read with.
var ErrTooLarge = errors.New("body exceeds the limit")

const (
	firstChunk = 4 << 10
	// trusted is the largest declared length that is allocated before a byte of
	// it has come.
	trusted = 1 << 20
)

// ReadInto reads body to its end, at most limit bytes of it, into buffer if that is large
// enough, and into new memory otherwise. size is the declared length, negative if there
// is none. Chunks are joined only at the end: a body that turns out too large costs its
// limit in memory and not twice the limit.
func ReadInto(buffer []byte, body io.Reader, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, ErrTooLarge
	}
	capacity := int64(firstChunk)
	if size >= 0 {
		// One byte more than declared lets the last Read see the end.
		capacity = min(size, trusted) + 1
	}
	var (
		full  [][]byte
		total int64
		chunk = buffer[:0]
	)
	if int64(cap(chunk)) < capacity {
		chunk = make([]byte, 0, capacity)
	}
	for {
		n, err := body.Read(chunk[len(chunk):cap(chunk)])
		chunk = chunk[:len(chunk)+n]
		if total += int64(n); total > limit {
			return nil, ErrTooLarge
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(chunk) == cap(chunk) {
			full = append(full, chunk)
			chunk = make([]byte, 0, min(2*int64(cap(chunk)), limit-total+1))
		}
	}
	if full == nil {
		return chunk, nil
	}
	return bytes.Join(append(full, chunk), nil), nil
}
