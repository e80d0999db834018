package wire_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/wire"
)

// dripping returns its chunks one by one, and then the error.
type dripping struct {
	chunks []int
	end    error
	read   int
}

func (d *dripping) Read(p []byte) (int, error) {
	if len(d.chunks) == 0 {
		return 0, d.end
	}
	n := min(d.chunks[0], len(p))
	if d.chunks[0] -= n; d.chunks[0] == 0 {
		d.chunks = d.chunks[1:]
	}
	for i := range n {
		p[i] = byte(d.read + i)
	}
	d.read += n
	return n, nil
}

// counted is what a dripping reader has given after n bytes.
func counted(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func TestReadInto_readsWhatComesWhateverWasDeclared(t *testing.T) {
	t.Parallel()
	for _, length := range []int{0, 1, 4095, 4096, 4097, 12287, 12288, 12289, 1 << 20, 1<<20 + 1, 3 << 20} {
		for _, declared := range []int64{-1, 0, 1, int64(length), int64(length) + 1, 5 << 20} {
			got, err := wire.ReadInto(nil, bytes.NewReader(counted(length)), declared, 8<<20)
			require.NoError(t, err)
			require.True(t, bytes.Equal(counted(length), got), "%d bytes, %d declared: %d came", length, declared, len(got))
		}
	}
}

func TestReadInto_readersOfEveryKind(t *testing.T) {
	t.Parallel()
	want := strings.Repeat("0123456789", 2000)
	for name, reader := range map[string]io.Reader{
		"byte by byte":           iotest.OneByteReader(strings.NewReader(want)),
		"half of what is asked":  iotest.HalfReader(strings.NewReader(want)),
		"end with the last data": iotest.DataErrReader(strings.NewReader(want)),
	} {
		got, err := wire.ReadInto(nil, reader, -1, int64(len(want)))
		require.NoError(t, err, name)
		assert.Equal(t, want, string(got), name)
	}
	got, err := wire.ReadInto(nil, &dripping{chunks: []int{1, 0, 5000, 0, 0, 3}, end: io.EOF}, 5004, 5004)
	require.NoError(t, err)
	assert.Equal(t, counted(5004), got)
}

func TestReadInto_limit_isExact(t *testing.T) {
	t.Parallel()
	for _, limit := range []int64{0, 1, 100, 4096, 10000, 1 << 20} {
		for _, declared := range []int64{-1, 0, limit} {
			got, err := wire.ReadInto(nil, bytes.NewReader(counted(int(limit))), declared, limit)
			require.NoError(t, err, "%d of %d", limit, limit)
			assert.Len(t, got, int(limit))
			got, err = wire.ReadInto(nil, bytes.NewReader(counted(int(limit)+1)), declared, limit)
			require.ErrorIs(t, err, wire.ErrTooLarge, "%d of %d, %d declared", limit+1, limit, declared)
			assert.Nil(t, got)
		}
	}
}

func TestReadInto_tooLargeByDeclaration_readsNothing(t *testing.T) {
	t.Parallel()
	_, err := wire.ReadInto(nil, iotest.ErrReader(errors.New("read")), 101, 100)
	require.ErrorIs(t, err, wire.ErrTooLarge)
}

// An endless body costs its limit and little more.
func TestReadInto_endlessBody_isLeftSoon(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	endless := &dripping{chunks: []int{1 << 30}, end: io.EOF}
	_, err := wire.ReadInto(nil, endless, -1, limit)
	require.ErrorIs(t, err, wire.ErrTooLarge)
	assert.LessOrEqual(t, endless.read, limit+1)
}

func TestReadInto_error_isReturnedAsItIs(t *testing.T) {
	t.Parallel()
	cut := errors.New("connection reset")
	for _, chunks := range [][]int{nil, {1}, {4096}, {5000, 5000}} {
		got, err := wire.ReadInto(nil, &dripping{chunks: chunks, end: cut}, 1<<19, 1<<20)
		require.Equal(t, cut, err)
		assert.Nil(t, got)
	}
	_, err := wire.ReadInto(nil, &dripping{chunks: []int{10}, end: io.ErrUnexpectedEOF}, 20, 100)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "a body that ends early is no body")
}

// What is declared is not believed: it must not cost memory before it has come.
func TestReadInto_declaredLength_isNotAllocatedAtOnce(t *testing.T) {
	t.Parallel()
	const huge = 1 << 40
	got, err := wire.ReadInto(nil, strings.NewReader("{}"), huge, huge)
	require.NoError(t, err)
	assert.Equal(t, "{}", string(got))
	assert.LessOrEqual(t, cap(got), 1<<20+1)
	got, err = wire.ReadInto(nil, strings.NewReader("{}"), 2, huge)
	require.NoError(t, err)
	assert.LessOrEqual(t, cap(got), 3, "a small answer costs what it needs")
	got, err = wire.ReadInto(nil, strings.NewReader(""), 0, huge)
	require.NoError(t, err)
	assert.LessOrEqual(t, cap(got), 1, "an empty answer costs nothing")
}

func TestReadInto_anyChunks_giveTheSameBytes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		total := 0
		chunks := make([]int, random.IntN(20))
		for i := range chunks {
			chunks[i] = random.IntN(20000)
			total += chunks[i]
		}
		limit := total + random.IntN(3) - 1
		got, err := wire.ReadInto(nil, &dripping{chunks: chunks, end: io.EOF}, int64(random.IntN(2*total+2))-1, int64(limit))
		if errors.Is(err, wire.ErrTooLarge) {
			continue // by declaration or by one byte
		}
		require.NoError(t, err)
		require.LessOrEqual(t, total, limit)
		require.True(t, bytes.Equal(counted(total), got))
	}
}
