// Package world is what the clients talk to: answers that are rendered before
// anything is measured, given in memory or by a server on loopback that counts
// its connections.
package world

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
)

// Reply is an answer.
type Reply struct {
	Status  int // 0 means 200
	Header  http.Header
	Body    []byte
	Chunked bool // sent without its length
}

// Answer answers a request. It must be safe for concurrent use.
type Answer func(r *http.Request) Reply

// JSON is a reply with a JSON body.
func JSON(body []byte) Reply {
	return Reply{Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
}

// memory answers without a network, as a transport would.
type memory struct{ answer Answer }

// InMemory returns a transport that has the answers by itself: what a client
// costs through it is its own cost, and that of net/http around the transport.
func InMemory(answer Answer) http.RoundTripper { return memory{answer} }

// RoundTrip implements [http.RoundTripper].
func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, err := io.Copy(io.Discard, r.Body)
		if closing := r.Body.Close(); err == nil {
			err = closing
		}
		if err != nil {
			return nil, err
		}
	}
	reply := m.answer(r)
	resp := &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: reply.Header.Clone(), Body: io.NopCloser(bytes.NewReader(reply.Body)), ContentLength: int64(len(reply.Body)), Request: r,
	}
	if reply.Status != 0 {
		resp.StatusCode, resp.Status = reply.Status, strconv.Itoa(reply.Status)+" "+http.StatusText(reply.Status)
	}
	return resp, nil
}

// Pages renders a list of as many items as pages hold, and the empty page at its
// end. item appends one item, whole wraps the list of a page.
func Pages(pages, items int, item func(b []byte, index int) []byte, whole func(list []byte, page int) []byte) [][]byte {
	out := make([][]byte, 0, pages+1)
	for page := range pages + 1 {
		list := []byte{'['}
		for i := range items {
			if page == pages {
				break
			}
			if i > 0 {
				list = append(list, ',')
			}
			list = item(list, page*items+i)
		}
		out = append(out, whole(append(list, ']'), page+1))
	}
	return out
}
