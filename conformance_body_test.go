package revv_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/revv-go/revv"
)

const htmlPage = "<!DOCTYPE html>\n<html><head><title>Revv</title></head><body><div id=\"root\"></div></body></html>"

// zipped compresses a text.
func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.String()
}

// blanks is mib MiB of blanks, zipped: one member of a MiB again and again, as
// to compress them all would take longer than all that the bomb is for.
func blanks(mib int) string { return strings.Repeat(zipped(strings.Repeat(" ", 1<<20)), mib) }

// bodyRows: an answer of success with a body that is not what is due.
func bodyRows() []matrixRow {
	var rows []matrixRow
	// Cut bodies: a read is repeated, a write has been applied.
	for name, spoil := range map[string]func(body string) act{
		"cut before its first byte":     func(body string) act { return ending(headed(len(body))) },
		"cut in the middle":             func(body string) act { return ending(headed(len(body)) + body[:len(body)/2]) },
		"cut before its last byte":      func(body string) act { return ending(headed(len(body)) + body[:len(body)-1]) },
		"reset in the middle":           func(body string) act { return resetting(headed(len(body)) + body[:len(body)/2]) },
		"cut between chunks":            func(body string) act { return ending(chunkedHead + chunk(body[:len(body)/2])) },
		"cut within a chunk":            func(body string) act { return ending(chunkedHead + chunk(body)[:len(body)/2+4]) },
		"cut before the last chunk":     func(body string) act { return ending(chunkedHead + chunk(body)) },
		"in chunks of a malformed size": func(string) act { return ending(chunkedHead + "zz\r\n") },
		"compressed and cut": func(body string) act {
			z := zipped(body)
			return ending(headed(len(z), "Content-Encoding: gzip") + z[:len(z)/2])
		},
		"compressed, cut by its sender": func(body string) act {
			z := zipped(body)
			return ending(headed(len(z)-6, "Content-Encoding: gzip") + z[:len(z)-6])
		},
		"silent until the attempt ends": func(body string) act { return stuck(headed(len(body)) + body[:len(body)/2]) },
		"a byte every ten seconds": func(body string) act {
			return dripping(headed(len(body)), body, 10*time.Second)
		},
	} {
		rows = append(rows, matrixRow{
			id: "R03 R15 W09", fault: "body " + name, near: name != "cut in the middle" && name != "cut between chunks", only: hasBody, acts: spoilt(1, spoil), want: writes(good(2), applied()),
		})
		if !strings.Contains(name, "until") && !strings.Contains(name, "every") {
			rows = append(rows, matrixRow{
				id: "R03 R15 W09", fault: "body " + name + ", for ever", near: true, only: hasBody, acts: spoilt(forEver, spoil), want: writes(bad(3, errTyped), applied()), more: attempts,
			})
		}
	}
	// Bodies that arrived whole and are not right: nothing is repeated.
	rows = append(rows, matrixRow{
		id: "R16", fault: "compressed, with a wrong checksum", only: hasBody, want: writes(bad(1, revv.ErrMalformedResponse), applied(revv.ErrMalformedResponse)),
		acts: spoilt(forEver, func(body string) act {
			z := []byte(zipped(body))
			z[len(z)-8] ^= 1
			return replying(200, string(z), "Content-Encoding: gzip")
		}),
	})
	for name, text := range map[string]string{
		"half the JSON": `{"Document":{"id":14`, "two values": `{} {}`, "a bracket too many": `{}}`, "a byte order mark": "\ufeff{}", "single quotes": `{'a':1}`,
		"NaN": `{"a":NaN}`, "a comma too many": `{"a":1,}`, "1,001 open arrays": strings.Repeat("[", 1001) + strings.Repeat("]", 1001),
		"10,000 nested arrays": strings.Repeat("[", 10000) + strings.Repeat("]", 10000), "10,000 open objects": strings.Repeat(`{"a":`, 10000),
		"a comment": "{} // done", "zero bytes": "{\x00}", "an open string": `{"a":"`,
	} {
		rows = append(rows, matrixRow{
			id: "R16 R22", fault: name, near: name != "half the JSON", only: isJSON, acts: everyTime(replying(200, text)), want: writes(bad(1, revv.ErrMalformedResponse), applied(revv.ErrMalformedResponse)),
		})
	}
	for name, text := range map[string]string{
		"null": "null", "a number": "42", "a text": `"ok"`, "true": "true", "an empty object": "{}", "an object of others": `{"status":"ok"}`,
		"a member of null":         `{"Document":null,"Contact":null,"Contacts":5,"Templates":true,"Folder":null,"Webhook":null,"Webhooks":"x","page":null}`,
		"a member of another kind": `{"Document":[1],"Contact":7,"Contacts":{"a":1},"Templates":"t","Folder":[],"Webhook":false,"Webhooks":{},"page":[],"url":9}`,
		"an id that is none":       `{"Document":{"id":"x"},"Contact":{"id":1.5},"Contacts":[{"id":{}}],"Templates":[{"id":[]}],"Folder":{"id":true},"Webhook":{"id":{}},"Webhooks":[7],"page":{"inodes":[{"id":"-"}]},"url":"javascript:alert(1)"}`,
		"an id beyond 64 bits":     `{"Document":{"id":9223372036854775808},"Contact":{"id":1e99},"Contacts":[{"id":"18446744073709551616"}],"Templates":[{"id":1e3}],"Folder":{"id":-9223372036854775809},"Webhook":{"id":[]},"Webhooks":7,"page":{"inodes":[{"id":0.5}]},"url":"//x"}`,
	} {
		rows = append(rows, matrixRow{
			id: "R18", fault: name + " where an object is due", only: modelled, acts: everyTime(replying(200, text)),
			want: writes(bad(1, revv.ErrMalformedResponse), applied(revv.ErrMalformedResponse)),
		}, matrixRow{id: "R18", fault: name + " where nothing is due", only: isBare, acts: everyTime(replying(200, text)), want: anyClass(good(1))})
	}
	return append(append(rows, contentRows()...), emptyRows()...)
}

// modelled picks the operations whose answer is decoded into a model.
func modelled(op operationCase) bool { return needsAnswer(op) && op.op != "Do" }

// hasBody picks the operations with a JSON answer that can be cut.
func hasBody(op operationCase) bool { return !op.pdf && len(op.answer) > 10 }

const chunkedHead = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"

func chunk(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) }

// contentRows: pages, and JSON under other names.
func contentRows() []matrixRow {
	var rows []matrixRow
	for name, header := range map[string]string{
		"text/html": "Content-Type: text/html; charset=utf-8", "TEXT/HTML": "Content-Type: TEXT/HTML", "application/json": "Content-Type: application/json",
		"application/pdf": "Content-Type: application/pdf", "nothing": "Content-Type: ", "application/xhtml+xml": "Content-Type: application/xhtml+xml",
	} {
		for _, status := range []int{200, 201, 202} {
			rows = append(rows, matrixRow{
				id: "R13 D06", fault: fmt.Sprintf("%d with a page as %s", status, name), near: status != 200 || name != "text/html", acts: everyTime(replying(status, htmlPage, header)),
				want: writes(bad(1, revv.ErrUnexpectedContent), applied(revv.ErrUnexpectedContent)), more: func(t *testing.T, got outcome) {
					assert.NotContains(t, got.err.Error(), "root", "nothing of the body is in the error")
				},
			})
		}
	}
	rows = append(rows, matrixRow{
		id: "R13", fault: "a page behind blank lines", near: true, acts: everyTime(replying(200, "\r\n\r\n\r\n  "+htmlPage, "Content-Type: text/html")),
		want: writes(bad(1, revv.ErrUnexpectedContent), applied(revv.ErrUnexpectedContent)),
	}, matrixRow{
		id: "R13", fault: "a plain text", only: isJSON, acts: everyTime(replying(200, "It works!", "Content-Type: text/plain")),
		want: writes(bad(1, revv.ErrUnexpectedContent), applied(revv.ErrUnexpectedContent)),
	})
	for _, status := range []int{400, 404, 500} {
		rows = append(rows, matrixRow{
			id: "R13", fault: fmt.Sprintf("%d with a page", status), near: true, acts: everyTime(replying(status, htmlPage, "Content-Type: text/html")),
			call: []revv.CallOption{revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1})},
			want: anyClass(bad(1, errTyped)), more: func(t *testing.T, got outcome) {
				assert.NotContains(t, got.err.Error(), "root")
				assert.NotContains(t, got.err.Error(), "<")
			},
		})
	}
	for name, lines := range map[string][]string{
		"as text/plain": {"Content-Type: text/plain"}, "without a type": {"Content-Type: "}, "as octets": {"Content-Type: application/octet-stream"},
		"as problem+json": {"Content-Type: application/problem+json"}, "as text/html": {"Content-Type: text/html"}, "with a broken type": {"Content-Type: ;;;"},
		"with two equal lengths": nil,
	} {
		rows = append(rows, matrixRow{
			id: "R17", fault: "right JSON " + name, near: name != "as text/plain" && name != "without a type", only: isJSON, want: anyClass(good(1)), acts: spoilt(forEver, func(body string) act {
				if lines == nil {
					length := fmt.Sprintf("Content-Length: %d", len(body))
					return replying(200, body, length, length)
				}
				return replying(200, body, lines...)
			}),
		})
	}
	for name, spoil := range map[string]func(body string) act{
		"compressed": func(body string) act { return replying(200, zipped(body), "Content-Encoding: gzip") },
		"in chunks": func(body string) act {
			return ending(chunkedHead + chunk(body[:len(body)/2]) + chunk(body[len(body)/2:]) + "0\r\n\r\n")
		},
		"ended by the connection": func(body string) act { return ending("HTTP/1.1 200 OK\r\n\r\n" + body) },
		"between white space":     func(body string) act { return replying(200, " \r\n\t"+body+"\n\n") },
		"with unknown members": func(body string) act {
			body = strings.ReplaceAll(body, `{"id"`, `{"future":{"a":[1,{"b":null}]},"x":1e400,"id"`)
			return replying(200, body)
		},
		"with unknown stages": func(body string) act {
			return replying(200, strings.ReplaceAll(strings.ReplaceAll(body, "Draft", "In legal review"), "individual", "robot"))
		},
		"with ids as texts": func(body string) act {
			return replying(200, strings.NewReplacer(`"id":14`, `"id":"14"`, `"id":5`, `"id":"5"`, `"id":3`, `"id":"3"`).Replace(body))
		},
		"with broken UTF-8 in text": func(body string) act {
			return replying(200, strings.NewReplacer("NDA", "N\xffA", "Offers", "Off\xc3").Replace(body))
		},
		"with status 201": func(body string) act { return replying(201, body) },
		"with status 202": func(body string) act { return replying(202, body) },
		"with status 299": func(body string) act { return replying(299, body) },
	} {
		rows = append(rows, matrixRow{id: "R17 R20", fault: "right JSON " + name, near: name != "with unknown members" && name != "with unknown stages", only: hasBody, acts: spoilt(forEver, spoil), want: anyClass(good(1))})
	}
	return rows
}

// emptyRows: nothing where something is due, and where nothing is.
func emptyRows() []matrixRow {
	var rows []matrixRow
	for name, a := range map[string]act{
		"200 with a length of 0": replying(200, ""), "200 of no type": replying(200, "", "Content-Type: "), "200 as HTML": replying(200, "", "Content-Type: text/html; charset=utf-8"),
		"201 without a body": replying(201, ""), "204": replying(204, ""), "204 as HTML": replying(204, "", "Content-Type: text/html"),
		"205": replying(205, ""), "200 in no chunks": ending(chunkedHead + "0\r\n\r\n"), "200 and the end": ending("HTTP/1.1 200 OK\r\n\r\n"),
		"200 with blank lines": replying(200, "\r\n \n"), "200 compressed": replying(200, zipped(""), "Content-Encoding: gzip"),
	} {
		rows = append(rows, matrixRow{
			id: "R14", fault: name + " where JSON is due", near: name != "200 with a length of 0" && name != "204", only: needsAnswer, acts: everyTime(a), want: writes(bad(1, revv.ErrEmptyResponse), applied(revv.ErrEmptyResponse)),
		}, matrixRow{id: "R14", fault: name + " where nothing is due", only: isBare, acts: everyTime(a), want: anyClass(good(1))})
	}
	return append(rows, matrixRow{
		id: "R14 D06", fault: "nothing where a PDF is due", only: func(op operationCase) bool { return op.pdf }, acts: everyTime(replying(200, "", "Content-Type: application/pdf")),
		want: map[class]verdict{reads: bad(1, revv.ErrEmptyResponse)},
	})
}

// bombRows: answers that are too large, in one way or another.
func bombRows() []matrixRow {
	const limit = 8 << 20
	large := "[" + strings.Repeat(" ", limit) + "]"
	bomb := zipped("[") + blanks(64) + zipped("]")
	full := func(x *exchanged) bool {
		if _, err := io.WriteString(x.conn, chunkedHead); err != nil {
			return false
		}
		block := chunk(strings.Repeat(" ", 64<<10))
		for range 2 * limit / (64 << 10) {
			if _, err := io.WriteString(x.conn, block); err != nil {
				return false
			}
		}
		return ending("0\r\n\r\n")(x)
	}
	var rows []matrixRow
	for name, a := range map[string]act{
		"8 MiB and two bytes": replying(200, large), "a declared length of an exabyte": ending(headed(math.MaxInt) + "{"), "chunks without end": full,
		"a gzip bomb of 64 MiB": replying(200, bomb, "Content-Encoding: gzip"),
	} {
		rows = append(rows, matrixRow{
			id: "R21", fault: name, only: is("Documents.Create", "Documents.Get", "Documents.Move", "Documents.Share", "Contacts.List"), acts: everyTime(a),
			want: writes(bad(1, revv.ErrResponseTooLarge), applied(revv.ErrResponseTooLarge)),
		})
	}
	for name, a := range map[string]act{
		"an error body of 8 MiB": replying(404, large), "an error body that is a gzip bomb": replying(404, bomb, "Content-Encoding: gzip"),
		"an error body of many brackets": replying(404, strings.Repeat("[", 60<<10)), "an error body of one long text": replying(404, `{"message":"`+strings.Repeat("€", 20<<10)+`"}`),
		"an error body that is cut":           ending("HTTP/1.1 404 Not Found\r\nContent-Length: 99\r\n\r\n{\"error\":"),
		"an error body that never comes":      stuck("HTTP/1.1 404 Not Found\r\nContent-Length: 99\r\n\r\n"),
		"an error body of control characters": replying(404, `{"error":"\u0000\u001b[31m","message":"a\r\nb\u202ec"}`),
		"an error body of numbers":            replying(404, `{"error":404,"message":{"a":1}}`), "an error body within an error": replying(404, `{"error":{"code":"X","message":{"a":[]}}}`),
		"an error body of null": replying(404, `null`), "an empty error body": replying(404, ``),
	} {
		rows = append(rows, matrixRow{
			id: "R13 R21", fault: name, acts: everyTime(a), want: anyClass(bad(1, revv.ErrNotFound).but(context.DeadlineExceeded)), atMost: 61 * time.Second,
			more: func(t *testing.T, got outcome) {
				for _, r := range got.err.Error() {
					assert.False(t, r < ' ' || r == '\u202e' || r == '\u001b', "%q in the text of an error", r)
				}
			},
		})
	}
	return rows
}

// TestConformance_bombs_costLessThanTwiceTheLimit measures the memory that a
// hostile answer can take.
func TestConformance_bombs_costLessThanTwiceTheLimit(t *testing.T) {
	const limit = 8 << 20
	tests := map[string]act{
		"gzip bomb":      replying(200, zipped("[")+blanks(256)+zipped("]"), "Content-Encoding: gzip"),
		"declared 1 EiB": ending(headed(math.MaxInt) + "{"),
		"depth bomb":     replying(200, strings.Repeat("[", limit/8)), // the answer itself is in this memory, too
		"headers without end": func(x *exchanged) bool {
			return endless(x, "HTTP/1.1 200 OK\r\n", "X-A: "+strings.Repeat("a", 1000)+"\r\n")
		},
		"status line of 64 MiB": func(x *exchanged) bool { return endless(x, "HTTP/1.1 200 ", strings.Repeat("O", 1<<16)) },
		"error body bomb":       replying(500, blanks(256), "Content-Encoding: gzip"),
	}
	for name, a := range tests {
		t.Run(name, func(t *testing.T) { // not parallel: it measures
			service := &rawService{act: func(int) act { return a }}
			transport := service.transport()
			defer transport.CloseIdleConnections()
			client, err := revv.NewClient(revv.StaticToken(conformanceToken), revv.WithBaseURL("http://localhost"),
				revv.WithHTTPClient(&http.Client{Transport: transport}), revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1}))
			assert.NoError(t, err)
			peak := peakHeap(func() { _, err = client.Documents.Get(t.Context(), 1) })
			assert.Error(t, err)
			assert.Less(t, peak, int64(2*limit), "bytes above the start")
			t.Logf("%s: %.2f MiB of heap above the start", name, float64(peak)/(1<<20))
		})
	}
}

// endless sends a start and then the same again and again, 64 MiB of it.
func endless(x *exchanged, start, again string) bool {
	text := start
	for sent := 0; sent < 64<<20; sent += len(text) {
		if _, err := io.WriteString(x.conn, text); err != nil {
			return false
		}
		text = again
	}
	return false
}

// peakHeap runs do and returns the most heap that was in use meanwhile, above
// what was in use at the start.
func peakHeap(do func()) int64 {
	read := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	runtime.GC()
	runtime.GC()
	start, peak := read(), int64(0)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(200 * time.Microsecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				peak = max(peak, read()-start)
			}
		}
	}()
	do()
	close(stop)
	<-done
	return max(peak, read()-start)
}
