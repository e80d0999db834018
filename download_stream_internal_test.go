package revv

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/retry"
)

const wholePDF = "%PDF-1.7\n%%EOF\n"

// streamOf is a download of which a part has come.
func streamOf(part string, total int64, validator string) *stream {
	s := &stream{sink: io.Discard, total: total, sum: sha256.New(), validator: validator}
	if part != "" {
		if _, err := s.take([]byte(part)); err != nil {
			panic(err)
		}
	}
	return s
}

// A transport of the program's own may not hold a body to its declared length.
func TestStream_receive_comparesTheLengthItself(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		declared int64
		want     retry.Outcome
	}{
		"as declared":      {int64(len(wholePDF)), retry.Success},
		"not declared":     {-1, retry.Success},
		"one byte missing": {int64(len(wholePDF)) + 1, retry.BodyCut},
		"one byte more":    {int64(len(wholePDF)) - 1, retry.BodyUnusable},
		"declared empty":   {0, retry.BodyUnusable},
	} {
		s := streamOf("", -1, "")
		outcome, err := s.receive(&http.Response{StatusCode: http.StatusOK, ContentLength: test.declared}, strings.NewReader(wholePDF))
		assert.Equal(t, test.want, outcome, name)
		assert.Equal(t, test.want == retry.Success, err == nil, name)
	}
}

func TestStream_continues_onlyWhereItWasCut(t *testing.T) {
	t.Parallel()
	tests := []struct {
		total int64
		span  string
		want  bool
	}{
		{10, "bytes 3-9/10", true},
		{10, "bytes 3-9/*", true},
		{10, "bytes 3-8/*", false},
		{10, "bytes 3-8/10", false},
		{10, "bytes 3-9/11", false},
		{10, "bytes 3-10/11", false},
		{10, "bytes 4-9/10", false},
		{-1, "bytes 3-9/10", true},
		{-1, "bytes 3-9/*", true},
		{-1, "bytes 3-8/10", false},
		{-1, "bytes 3-x/*", false},
	}
	for _, test := range tests {
		s := streamOf("%PD", test.total, `"v1"`)
		assert.Equal(t, test.want, s.continues(&http.Response{Header: http.Header{"Content-Range": {test.span}, "Etag": {`"v1"`}}}), "%s of %d", test.span, test.total)
	}
	s := streamOf("%PD", -1, `"v1"`)
	require.True(t, s.continues(&http.Response{Header: http.Header{"Content-Range": {"bytes 3-9/10"}, "Etag": {`"v1"`}}}))
	assert.EqualValues(t, 10, s.total, "the length is known from here on")
}

// What has become shorter than what is here already has changed, and that is known
// before its bytes are waited for.
func TestStream_again_shorterThanBefore_hasChanged(t *testing.T) {
	t.Parallel()
	for _, total := range []int64{0, 1, 8} {
		s := streamOf("%PDF-1.7\n", total, "")
		outcome, err := s.restart(strings.NewReader(wholePDF[:total]))
		assert.Equal(t, retry.BodyUnusable, outcome, total)
		require.ErrorIs(t, err, errChanged, total)
	}
	s := streamOf("%PDF-1.7\n", 9, "")
	outcome, err := s.restart(strings.NewReader("%PDF-1.7\n"))
	require.NoError(t, err)
	assert.Equal(t, retry.Success, outcome)
}

func TestStrongETag_aQuoteAlone_isNone(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string]string{`"`: "", `""`: `""`, `"v"`: `"v"`, `W/"v"`: "", `"v`: "", `v"`: "", "": ""} {
		assert.Equal(t, want, strongETag(http.Header{"Etag": {tag}}), tag)
	}
}

// A transport without a limit of its own is not waited for beyond the stall limit.
func TestDownload_noAnswerAtAll_isAStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, err := NewClient(StaticToken("a-token"), WithBaseURL("https://sandbox.example.com"), WithRetry(RetryPolicy{MaxAttempts: 1}),
			WithHTTPClient(&http.Client{Transport: silentTransport{}}))
		require.NoError(t, err)
		start := time.Now()
		var sink bytes.Buffer
		_, err = client.Documents.Download(t.Context(), 14, &sink)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.ErrorContains(t, err, "no bytes for 30s")
		assert.NotErrorIs(t, err, context.Canceled)
		assert.Equal(t, stallLimit, time.Since(start))
	})
}

// silentTransport never answers.
type silentTransport struct{}

func (silentTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}
