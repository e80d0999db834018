package revv_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// resumeCase is a download that does not arrive in one piece.
type resumeCase struct {
	acts []act
	// ranges are the Range headers that the service must see, "" for none.
	ranges []string
	is     error    // nil: success
	want   string   // the file; "" means the first version
	writer *verdict // where a writer that cannot be rewound ends otherwise
}

// TestDownload_cut is D01 and D02: a download that was cut is resumed where that
// is safe, begun again where it is not, and never spliced.
func TestDownload_cut(t *testing.T) {
	t.Parallel()
	const size, half, rest = 200 << 10, 100 << 10, 1 << 20
	tagged, untagged, weak := version{pdf(size), someTag}, version{pdf(size), ""}, version{pdf(size), `W/"v1"`}
	changed := version{strings.ReplaceAll(tagged.body, "line", "LINE"), otherTag}
	shorter := version{pdf(half / 2), otherTag}
	grown := version{tagged.body + "%% more\n%%EOF\n", otherTag}
	atHalf := fmt.Sprintf("bytes=%d-", half)
	refused := bad(2, revv.ErrTruncated)
	chunked := "HTTP/1.1 200 OK\r\nETag: " + someTag + "\r\nTransfer-Encoding: chunked\r\n\r\n"

	cases := map[string]resumeCase{
		"with a tag":         {acts: []act{tagged.cutAt(half), tagged.ranged(rest)}, ranges: []string{"", atHalf}},
		"reset with a tag":   {acts: []act{resetting(tagged.head() + tagged.body[:half]), tagged.ranged(rest)}, ranges: []string{"", atHalf}},
		"without a tag":      {acts: []act{untagged.cutAt(half), untagged.whole()}, ranges: []string{"", ""}},
		"with a weak tag":    {acts: []act{weak.cutAt(half), weak.whole()}, ranges: []string{"", ""}},
		"with a broken tag":  {acts: []act{version{tagged.body, `"v1`}.cutAt(half), untagged.whole()}, ranges: []string{"", ""}},
		"twice":              {acts: []act{tagged.cutAt(half / 2), tagged.ranged(half / 2), tagged.ranged(rest)}, ranges: []string{"", fmt.Sprintf("bytes=%d-", half/2), atHalf}},
		"before any byte":    {acts: []act{tagged.cutAt(0), tagged.whole()}, ranges: []string{"", ""}},
		"within its head":    {acts: []act{tagged.cutAt(3), tagged.whole()}, ranges: []string{"", ""}},
		"behind its head":    {acts: []act{tagged.cutAt(5), tagged.ranged(rest)}, ranges: []string{"", "bytes=5-"}},
		"before its last":    {acts: []act{tagged.cutAt(len(tagged.body) - 1), tagged.ranged(rest)}, ranges: []string{"", fmt.Sprintf("bytes=%d-", len(tagged.body)-1)}},
		"every time":         {acts: []act{tagged.cutAt(half), tagged.ranged(10), tagged.ranged(10), tagged.ranged(rest)}, ranges: []string{"", atHalf, fmt.Sprintf("bytes=%d-", half+10)}, is: revv.ErrTruncated},
		"untagged for ever":  {acts: []act{untagged.cutAt(half)}, ranges: []string{"", "", ""}, is: revv.ErrTruncated},
		"range not known":    {acts: []act{tagged.cutAt(half), tagged.whole()}, ranges: []string{"", atHalf}},
		"416":                {acts: []act{tagged.cutAt(half), failing(416), tagged.whole()}, ranges: []string{"", atHalf, ""}},
		"416 for ever":       {acts: []act{tagged.cutAt(half), failing(416)}, ranges: []string{"", atHalf, ""}, is: errTyped},
		"416 at the end":     {acts: []act{tagged.cutAt(half), tagged.ranged(10), failing(416)}, ranges: []string{"", atHalf, fmt.Sprintf("bytes=%d-", half+10)}, is: revv.ErrTruncated},
		"then 503":           {acts: []act{tagged.cutAt(half), failing(503), tagged.ranged(rest)}, ranges: []string{"", atHalf, atHalf}},
		"then 429":           {acts: []act{tagged.cutAt(half), failing(429, "Retry-After: 5"), tagged.ranged(rest)}, ranges: []string{"", atHalf, atHalf}},
		"then 401":           {acts: []act{tagged.cutAt(half), failing(401), tagged.ranged(rest)}, ranges: []string{"", atHalf, atHalf}},
		"then 404":           {acts: []act{tagged.cutAt(half), failing(404)}, ranges: []string{"", atHalf}, is: revv.ErrNotFound},
		"then a page":        {acts: []act{tagged.cutAt(half), replying(200, htmlPage, "Content-Type: text/html")}, ranges: []string{"", atHalf}, is: revv.ErrUnexpectedContent, writer: &refused},
		"in chunks":          {acts: []act{ending(chunked + chunk(tagged.body[:half])), tagged.ranged(rest)}, ranges: []string{"", atHalf}},
		"before last chunk":  {acts: []act{ending(chunked + chunk(tagged.body)), tagged.ranged(rest), tagged.whole()}, ranges: []string{"", fmt.Sprintf("bytes=%d-", len(tagged.body)), ""}},
		"silently":           {acts: []act{ending("HTTP/1.1 200 OK\r\n\r\n" + tagged.body[:half]), tagged.whole()}, ranges: []string{"", ""}},
		"silently with tag":  {acts: []act{ending("HTTP/1.1 200 OK\r\nETag: " + someTag + "\r\n\r\n" + tagged.body[:half]), tagged.whole()}, ranges: []string{"", ""}},
		"silently, for ever": {acts: []act{ending("HTTP/1.1 200 OK\r\n\r\n" + tagged.body[:half])}, ranges: []string{"", "", ""}, is: revv.ErrTruncated},
		"no end at all":      {acts: []act{replying(200, tagged.body[:half], "Content-Type: application/pdf")}, ranges: []string{"", "", ""}, is: revv.ErrTruncated},
		"end is far away":    {acts: []act{replying(200, tagged.body+strings.Repeat("\n", 1100), "Content-Type: application/pdf")}, ranges: []string{"", "", ""}, is: revv.ErrTruncated},
		"206 to no range":    {acts: []act{ending(partial(len(tagged.body), fmt.Sprintf("Content-Range: bytes 0-%d/%d", len(tagged.body)-1, len(tagged.body))) + tagged.body)}, ranges: []string{"", "", ""}, is: revv.ErrTruncated},

		"and changed":          {acts: []act{tagged.cutAt(half), changed.ranged(rest)}, ranges: []string{"", atHalf}, want: changed.body, writer: &refused},
		"untagged and changed": {acts: []act{untagged.cutAt(half), changed.whole()}, ranges: []string{"", ""}, want: changed.body, writer: &refused},
		"and shorter now":      {acts: []act{tagged.cutAt(half), shorter.ranged(rest)}, ranges: []string{"", atHalf}, want: shorter.body, writer: &refused},
		"and grown now":        {acts: []act{tagged.cutAt(half), grown.ranged(rest)}, ranges: []string{"", atHalf}, want: grown.body},
		"changed, then cut": {
			acts: []act{tagged.cutAt(half), changed.cutAt(half), changed.ranged(rest)}, ranges: []string{"", atHalf, atHalf}, want: changed.body, writer: &refused,
		},
	}
	const tag = "\r\nETag: " + someTag
	for name, span := range map[string]string{
		"of another place":   fmt.Sprintf("Content-Range: bytes %d-%d/%d", half+1, len(tagged.body)-1, len(tagged.body)) + tag,
		"of an early place":  fmt.Sprintf("Content-Range: bytes 0-%d/%d", len(tagged.body)-1, len(tagged.body)) + tag,
		"of another length":  fmt.Sprintf("Content-Range: bytes %d-%d/%d", half, len(tagged.body)-1, len(tagged.body)+1) + tag,
		"that ends early":    fmt.Sprintf("Content-Range: bytes %d-%d/%d", half, half+10, len(tagged.body)) + tag,
		"that ends too late": fmt.Sprintf("Content-Range: bytes %d-%d/%d", half, len(tagged.body), len(tagged.body)) + tag,
		"in another unit":    fmt.Sprintf("Content-Range: lines %d-%d/%d", half, len(tagged.body)-1, len(tagged.body)) + tag,
		"without a range":    "X-None: 1" + tag,
		"with an empty one":  "Content-Range: bytes */" + strconv.Itoa(len(tagged.body)) + tag,
		"with garbage":       "Content-Range: bytes " + strconv.Itoa(half) + "-x/y" + tag,
		"beyond 64 bits":     fmt.Sprintf("Content-Range: bytes %d-%d/9999999999999999999999", half, len(tagged.body)-1) + tag,
		"of negative length": fmt.Sprintf("Content-Range: bytes %d--5/-4", half) + tag,
		"without a tag":      fmt.Sprintf("Content-Range: bytes %d-%d/%d", half, len(tagged.body)-1, len(tagged.body)),
		"of another version": fmt.Sprintf("Content-Range: bytes %d-%d/%d\r\nETag: %s", half, len(tagged.body)-1, len(tagged.body), otherTag),
		"of the same, weak":  fmt.Sprintf("Content-Range: bytes %d-%d/%d\r\nETag: W/%s", half, len(tagged.body)-1, len(tagged.body), someTag),
	} {
		cases["206 "+name] = resumeCase{
			acts: []act{tagged.cutAt(half), ending(partial(len(tagged.body)-half, span) + tagged.body[half:]), tagged.whole()}, ranges: []string{"", atHalf, ""},
		}
	}
	unknownLength := fmt.Sprintf("Content-Range: bytes %d-%d/*", half, len(tagged.body)-1) + tag
	cases["206 of unknown length"] = resumeCase{
		acts: []act{tagged.cutAt(half), ending(partial(len(tagged.body)-half, unknownLength) + tagged.body[half:])}, ranges: []string{"", atHalf},
	}
	cases["206 that says too much"] = resumeCase{
		acts:   []act{tagged.cutAt(half), ending(partial(len(tagged.body)-half+9, fmt.Sprintf("Content-Range: bytes %d-%d/%d", half, len(tagged.body)-1, len(tagged.body))+tag) + tagged.body[half:] + "123456789")},
		ranges: []string{"", atHalf}, is: revv.ErrMalformedResponse,
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bothSinks(t, func(t *testing.T, file bool) { c.run(t, file, tagged.body) })
		})
	}
}

func (c resumeCase) run(t *testing.T, file bool, first string) {
	t.Helper()
	d := downloadInto(t, file, inTurn(c.acts...)(operationCase{}))
	want := c.ranges
	if !file && c.writer != nil {
		want = want[:min(c.writer.requests, len(want))]
	}
	ranges := make([]string, len(d.requests))
	for i, r := range d.requests {
		ranges[i] = r.header.Get("Range")
	}
	assert.Equal(t, want, ranges, "ranges that were asked for")
	if c.want == "" {
		c.want = first
	}
	switch {
	case !file && c.writer != nil:
		for _, is := range c.writer.is {
			require.ErrorIs(t, d.err, is)
		}
		assert.True(t, strings.HasPrefix(first, d.content), "nothing of another version reaches the writer")
	case c.is == nil:
		d.succeeded(t, c.want)
	default:
		require.Error(t, d.err)
		if c.is != errTyped { //nolint:errorlint // the very value
			require.ErrorIs(t, d.err, c.is)
		}
	}
}

// A second version that is cut while it is compared with the part that is here has
// told its tag, but that is no reason to append its rest to the first.
func TestDownload_cutWhileComparing_isNotSpliced(t *testing.T) {
	t.Parallel()
	first := version{pdf(9000), someTag}
	second := version{strings.ReplaceAll(first.body, "line", "LINE"), otherTag}
	for name, test := range map[string]struct {
		acts []act
		is   error // nil: the first version, whole
	}{
		"another version": {[]act{first.cutAt(5000), second.cutAt(2000), second.ranged(9999)}, revv.ErrTruncated},
		"the same one":    {[]act{first.cutAt(5000), first.cutAt(2000), first.ranged(9999)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := downloadInto(t, false, inTurn(test.acts...)(operationCase{}))
				require.Len(t, d.requests, 3)
				assert.Empty(t, d.requests[2].header.Get("Range"), "nothing binds the bytes that are here to a version any more")
				if test.is == nil {
					d.succeeded(t, first.body)
					return
				}
				require.ErrorIs(t, d.err, test.is)
				assert.Equal(t, first.body[:5000], d.content, "nothing of the second version was appended")
			})
		})
	}
}

// A range is bound to the version that its first part came from.
func TestDownload_resumed_isBoundToTheVersion(t *testing.T) {
	t.Parallel()
	bothSinks(t, func(t *testing.T, file bool) {
		v := version{pdf(9000), someTag}
		d := downloadInto(t, file, inTurn(v.cutAt(5000), v.ranged(9999))(operationCase{}))
		d.succeeded(t, v.body)
		require.Len(t, d.requests, 2)
		assert.Empty(t, d.requests[0].header.Get("If-Range"))
		assert.Equal(t, someTag, d.requests[1].header.Get("If-Range"))
		assert.Equal(t, "tok-4f9c2b71d8e6", d.requests[1].header.Get("Accesstoken"))
	})
}

// D08: no bytes for 30 s is the end of an attempt; a slow stream is not.
func TestDownload_stall(t *testing.T) {
	t.Parallel()
	v := version{pdf(3000), someTag}
	for name, test := range map[string]struct {
		acts            []act
		is              []error
		requests        int
		atLeast, atMost time.Duration
	}{
		"in the body, once":         {[]act{stuck(v.head() + v.body[:2000]), v.ranged(9999)}, nil, 2, 30 * time.Second, 31 * time.Second},
		"before the body, once":     {[]act{stuck(v.head()), v.whole()}, nil, 2, 30 * time.Second, 31 * time.Second},
		"before the headers, once":  {[]act{stuck("HTTP/1.1 2"), v.whole()}, nil, 2, 30 * time.Second, 31 * time.Second},
		"for ever":                  {[]act{stuck(v.head() + v.body[:2000]), stuck("")}, []error{context.DeadlineExceeded}, 3, 90 * time.Second, 92 * time.Second},
		"for ever in the body":      {[]act{stuck(v.head() + v.body[:2000])}, []error{revv.ErrTruncated, context.DeadlineExceeded}, 3, 90 * time.Second, 92 * time.Second},
		"a byte every 20 s, 11 min": {[]act{dripping(v.head()+v.body[:len(v.body)-36], v.body[len(v.body)-36:], 20*time.Second)}, nil, 1, 11 * time.Minute, 12 * time.Minute},
		"a byte every 29 s":         {[]act{dripping(v.head()+v.body[:len(v.body)-36], v.body[len(v.body)-36:], 29*time.Second)}, nil, 1, 16 * time.Minute, 18 * time.Minute},
		"a byte every 31 s":         {[]act{dripping(v.head()+v.body[:2900], v.body[2900:], 31*time.Second), v.ranged(9999)}, nil, 2, 30 * time.Second, 31 * time.Second},
		"slow headers, slow start": {[]act{func(x *exchanged) bool {
			sleepVirtually(20 * time.Second)
			_, _ = io.WriteString(x.conn, v.head())
			sleepVirtually(20 * time.Second)
			_, _ = io.WriteString(x.conn, v.body)
			return true
		}}, nil, 1, 40 * time.Second, 40 * time.Second},
		"slow again from the beginning": {[]act{version{v.body, ""}.cutAt(1500), dripping(version{v.body, ""}.head()+v.body[:1400], v.body[1400:1410], 20*time.Second)}, []error{revv.ErrTruncated}, 3, 200 * time.Second, 500 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bothSinks(t, func(t *testing.T, file bool) {
				d := downloadInto(t, file, inTurn(test.acts...)(operationCase{}))
				assert.Len(t, d.requests, test.requests)
				assert.GreaterOrEqual(t, d.took, test.atLeast)
				assert.LessOrEqual(t, d.took, test.atMost)
				if test.is == nil {
					d.succeeded(t, v.body)
				}
				for _, is := range test.is {
					require.ErrorIs(t, d.err, is)
				}
			})
		})
	}
}

// slowSink takes minutes for each write.
type slowSink struct{ pause time.Duration }

func (s slowSink) Write(b []byte) (int, error) {
	sleepVirtually(s.pause)
	return len(b), nil
}

// The stall limit is for the network: a sink may take its time.
func TestDownload_slowSink_isNoStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := version{pdf(900 << 10), ""}
		service := &rawService{act: func(int) act { return v.whole() }}
		transport := service.transport()
		client, err := revv.NewClient(revv.StaticToken(conformanceToken), revv.WithBaseURL("http://localhost"), revv.WithHTTPClient(&http.Client{Transport: transport}))
		require.NoError(t, err)
		began := time.Now()
		got, err := client.Documents.Download(t.Context(), 14, slowSink{time.Minute})
		require.NoError(t, err)
		assert.EqualValues(t, len(v.body), got.Size)
		assert.Greater(t, time.Since(began), 5*time.Minute)
		assert.Len(t, service.requests(), 1)
		transport.CloseIdleConnections()
	})
}

// A download that begins again reads what it has already; that is no stall
// either, however long it takes, while bytes come.
func TestDownload_slowBeginningAgain_isNoStall(t *testing.T) {
	t.Parallel()
	bothSinks(t, func(t *testing.T, file bool) {
		v := version{pdf(3000), ""}
		again := func(x *exchanged) bool {
			_, _ = io.WriteString(x.conn, v.head())
			for i := 0; i < len(v.body); i += 300 {
				sleepVirtually(20 * time.Second)
				_, _ = io.WriteString(x.conn, v.body[i:min(i+300, len(v.body))])
			}
			return true
		}
		d := downloadInto(t, file, inTurn(v.cutAt(2000), again)(operationCase{}))
		d.succeeded(t, v.body)
		assert.Len(t, d.requests, 2)
		assert.Greater(t, d.took, 3*time.Minute)
	})
}

// The deadline of the caller bounds a download, and the attempt timeout does not.
func TestDownload_boundedByTheCallerAlone(t *testing.T) {
	t.Parallel()
	bothSinks(t, func(t *testing.T, file bool) {
		v := version{pdf(3000), someTag}
		slow := dripping(v.head()+v.body[:len(v.body)-20], v.body[len(v.body)-20:], 10*time.Second)
		d := downloadInto(t, file, func(int) act { return slow }, revv.WithAttemptTimeout(time.Second))
		d.succeeded(t, v.body)
		assert.Greater(t, d.took, 3*time.Minute)
	})
}

// closable is a body that counts how often it is closed.
type closable struct {
	io.Reader

	closed *atomic.Int32
}

func (c closable) Close() error { c.closed.Add(1); return nil }

// A transport of the caller's own has nothing else that tells it.
func TestDownload_bodyIsClosed_howeverItEnds(t *testing.T) {
	t.Parallel()
	const whole = "%PDF-1.7\n%%EOF\n"
	for name, body := range map[string]string{"whole": whole, "cut": whole[:9], "no PDF": "<html>", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var opened, closed atomic.Int32
			transport := tripper(func(r *http.Request) (*http.Response, error) {
				opened.Add(1)
				return &http.Response{
					StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: int64(len(whole)),
					Header: http.Header{"Content-Type": {"application/pdf"}}, Body: closable{strings.NewReader(body), &closed},
				}, nil
			})
			client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: transport}))
			require.NoError(t, err)
			_, _ = client.Documents.Download(t.Context(), 14, io.Discard, revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1}))
			assert.Positive(t, opened.Load())
			assert.GreaterOrEqual(t, closed.Load(), opened.Load())
		})
	}
}
