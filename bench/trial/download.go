package trial

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv"

	"github.com/revv-go/revv/bench/measure"
	"github.com/revv-go/revv/bench/sides"
	"github.com/revv-go/revv/bench/world"
)

// Download is how a streamed file compares with io.Copy into the same writer and
// a SHA-256.
type Download struct {
	Ratio                 measure.Result // of processor time
	FloorHeap, ClientHeap uint64         // bytes above the start, at most
	Size                  int64
	Goal                  float64 // of the ratio
	HeapGoal              uint64
}

// The promises of a download: at least 0.9 of the throughput, and under 1 MiB.
const (
	downloadGoal = 1 / 0.9
	downloadHeap = 1 << 20
	pdfChunk     = 64 << 10
	pdfHead      = "%PDF-1.7\n"
	pdfTail      = "\n%%EOF\n"
)

// servePDF streams a file of size bytes that looks like a PDF from both ends.
func servePDF(size int64) http.Handler {
	filler := bytes.Repeat([]byte("0123456789abcde\n"), pdfChunk/16)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{"application/pdf"}
		w.Header()["Content-Length"] = []string{strconv.FormatInt(size, 10)}
		left := size - int64(len(pdfHead)+len(pdfTail))
		_, err := io.WriteString(w, pdfHead)
		for left > 0 && err == nil {
			var n int
			n, err = w.Write(filler[:min(left, pdfChunk)])
			left -= int64(n)
		}
		if err == nil {
			_, _ = io.WriteString(w, pdfTail)
		}
	})
}

// counter is a writer that keeps nothing.
type counter struct{ n int64 }

func (c *counter) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	return len(b), nil
}

// RunDownload measures downloads of size bytes.
func RunDownload(ctx context.Context, size int64, rounds int, random *rand.Rand) (d Download, err error) {
	server, err := world.ServeHandler(ctx, servePDF(size))
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	transport := world.Transport()
	defer transport.CloseIdleConnections()

	client, err := revv.NewClient(revv.StaticToken(sides.Token), revv.WithBaseURL(server.URL), revv.WithHTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		return d, err
	}
	plain := &http.Client{Transport: &oauth2.Transport{Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: sides.Token}), Base: transport}}

	var floorSum, ownSum string
	floor := func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/docs/14/download", http.NoBody)
		if err != nil {
			return err
		}
		resp, err := plain.Do(req)
		if err != nil {
			return err
		}
		sum, sink := sha256.New(), new(counter)
		n, err := io.Copy(io.MultiWriter(sink, sum), resp.Body)
		floorSum = hex.EncodeToString(sum.Sum(nil))
		return errors.Join(err, resp.Body.Close(), whole(n, sink.n, size))
	}
	own := func() error {
		sink := new(counter)
		got, err := client.Documents.Download(ctx, sides.DocumentID, sink)
		if err != nil {
			return err
		}
		ownSum = got.SHA256
		return whole(got.Size, sink.n, size)
	}
	block := func(work func() error) measure.Block {
		return func(_ context.Context, n int) error {
			for range n {
				if err := work(); err != nil {
					return err
				}
			}
			return nil
		}
	}
	d = Download{Size: size, Goal: downloadGoal, HeapGoal: downloadHeap}
	if d.Ratio, err = (measure.Pair{Floor: block(floor), Candidate: block(own), Work: 1, Rounds: rounds, Random: random}).Run(ctx); err != nil {
		return d, err
	}
	if d.FloorHeap, err = measure.PeakHeap(floor); err != nil {
		return d, err
	}
	if d.ClientHeap, err = measure.PeakHeap(own); err != nil {
		return d, err
	}
	if floorSum != ownSum {
		return d, fmt.Errorf("two checksums of one file: %s and %s", floorSum, ownSum)
	}
	return d, nil
}

func whole(reported, written, size int64) error {
	if reported != size || written != size {
		return fmt.Errorf("%d bytes reported and %d written of %d", reported, written, size)
	}
	return nil
}

// Heap is by how much a list of 10,000 items makes the heap rise.
type Heap struct {
	Floor, Client uint64 // medians of the peaks
	Goal          uint64 // of the difference
}

// listHeapGoal is by how much the peak may exceed the floor's.
const listHeapGoal = 2 << 20

// RunListHeap measures the heap of a list.
func RunListHeap(ctx context.Context, rounds int) (h Heap, err error) {
	rival, err := sides.Revv()
	if err != nil {
		return h, err
	}
	server, err := world.Serve(ctx, rival.Answer, 0)
	if err != nil {
		return h, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	transport := world.Transport()
	defer transport.CloseIdleConnections()
	client, floor, err := rival.Connect(server.URL, transport)
	if err != nil {
		return h, err
	}
	peak := func(work func(context.Context) error) (uint64, error) {
		var peaks []float64
		for range rounds {
			bytes, err := measure.PeakHeap(func() error { return work(ctx) })
			if err != nil {
				return 0, err
			}
			peaks = append(peaks, float64(bytes))
		}
		return uint64(measure.Median(peaks)), nil
	}
	h.Goal = listHeapGoal
	if h.Floor, err = peak(list(floor)); err != nil {
		return h, err
	}
	h.Client, err = peak(list(client))
	return h, err
}
