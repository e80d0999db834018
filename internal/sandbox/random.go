package sandbox

import (
	cryptorand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
)

// source draws the texts that ids, tokens and links are made of. Its user holds
// the sandbox's lock.
type source struct {
	chacha *rand.ChaCha8 // nil when the system's randomness is used
	rand   *rand.Rand
	kept   []byte // in a run without a seed: how far the seeded source of an earlier run has got
}

func newSource(seed *uint64) source {
	if seed == nil {
		return source{rand: rand.New(systemRandom{})} //nolint:gosec // its source is crypto/rand
	}
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], *seed)
	chacha := rand.NewChaCha8(key)
	return source{chacha: chacha, rand: rand.New(chacha)} //nolint:gosec // reproducible because it was asked for
}

// systemRandom is crypto/rand as a source of math/rand, which then gives
// unbiased numbers in any range.
type systemRandom struct{}

func (systemRandom) Uint64() uint64 {
	var b [8]byte
	_, _ = cryptorand.Read(b[:]) // never fails: it ends the program instead
	return binary.LittleEndian.Uint64(b[:])
}

const alphanumerics = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// text returns n letters and digits.
func (s source) text(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphanumerics[s.rand.IntN(len(alphanumerics))]
	}
	return string(b)
}

// The lengths of what is drawn. The two first were observed; the others leave
// more than 128 bits to guess.
const (
	objectIDLength  = 12
	magicLinkLength = 15
	linkLength      = 32
	tokenLength     = 40
)
