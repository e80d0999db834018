package sandbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/revv-go/revv"
)

// download answers with the PDF of a document as it is now, whatever its stage.
func (a *account) download(c *call) (any, error) {
	d, err := a.documentByID(c.param)
	if err != nil {
		return nil, err
	}
	return pdfAnswer(d, c.request), nil
}

// PDF prints a document.
func (d *Document) PDF() []byte {
	lines := []string{
		fmt.Sprintf("%s  -  %s", d.Number, d.Stage),
		"",
	}
	for _, f := range d.Fields {
		lines = append(lines, f.Name+": "+f.Value)
	}
	var signatures []string
	for _, p := range d.Signers {
		if p.State == PartyDone {
			name := p.name()
			if p.SignedAs != "" {
				name = p.SignedAs
			}
			signatures = append(signatures, fmt.Sprintf("Signed by %s <%s> at %s", name, p.Email, wireTime(p.At)))
		}
	}
	for _, p := range d.Acceptors {
		if p.State == PartyDone {
			signatures = append(signatures, fmt.Sprintf("Accepted by %s <%s> at %s", p.name(), p.Email, wireTime(p.At)))
		}
	}
	// A draft that came back, because somebody declined, bears none that counts.
	if d.Stage == revv.StageDraft || d.Stage != "" && len(signatures) == 0 {
		signatures = []string{"Not signed"}
	}
	lines = append(append(lines, ""), signatures...)
	return renderPDF(d.Title, lines)
}

// pdfAnswer serves the PDF with all that net/http knows of ranges and conditions.
func pdfAnswer(d *Document, r *http.Request) *answer {
	data := d.PDF()
	sum := sha256.Sum256(data)
	kept := &keptAnswer{answer: newAnswer(http.StatusOK, "application/pdf", nil)}
	kept.header.Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	kept.header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": d.fileName()}))
	if r.Method == http.MethodHead { // the server leaves the body out, but it must know how long it is
		r = r.Clone(r.Context())
		r.Method = http.MethodGet
	}
	http.ServeContent(kept, r, "", d.UpdatedAt.Truncate(time.Second), bytes.NewReader(data))
	kept.header.Del("Content-Length") // said where the answer is sent, unless a fault keeps it secret
	return kept.answer
}

// keptAnswer lets a handler of net/http write an answer that is sent later.
type keptAnswer struct{ *answer }

func (k *keptAnswer) Header() http.Header    { return k.header }
func (k *keptAnswer) WriteHeader(status int) { k.status = status }

func (k *keptAnswer) Write(p []byte) (int, error) {
	k.body = append(k.body, p...)
	return len(p), nil
}

// fileName is the name a browser saves the PDF under.
func (d *Document) fileName() string {
	title := strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, r) {
			return '-'
		}
		return r
	}, d.Title)
	return fmt.Sprintf("%s %s.pdf", d.Number, strings.TrimSpace(title))
}
