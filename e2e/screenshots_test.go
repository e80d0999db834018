package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// pictures is the directory for them. They are for people to look at; nothing is
// tested by them.
func pictures(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("E2E_SCREENSHOTS")
	if dir == "" {
		t.Skip("E2E_SCREENSHOTS names no directory for pictures")
	}
	require.NoError(t, os.MkdirAll(dir, 0o750))
	return dir
}

// TestScreenshots_readme makes the two pictures of the README, readme-dashboard
// and readme-sign: a morning of a small company, as a window shows it.
func TestScreenshots_readme(t *testing.T) {
	t.Parallel()
	dir := pictures(t)
	p := start(t, "-clock", "2026-03-02T09:14:00Z", "-seed", "1")
	client, b := p.client(t), newTab(t)
	cam := revv.Person{Email: "cam@example.com", FirstName: "Cam", LastName: "Carter"}

	agreement(t, client, "Offer letter for Dana Dale")
	approval := agreement(t, client, "Framework agreement 2026")
	require.NoError(t, client.Documents.SendForApproval(t.Context(), approval.ID, revv.SendParams{Recipients: []revv.Person{cam}}))
	accepted := agreement(t, client, "Terms of the spring campaign")
	require.NoError(t, client.Documents.SendForAcceptance(t.Context(), accepted.ID, revv.SendParams{Recipients: []revv.Person{cam}}))
	b.open(p.url + "/outbox")
	b.openMail(cam.Email)
	b.press("Accept")
	b.sees("Thank you")
	sent(t, client, "Lease of the second floor", ann)
	b.openToSign(p, ann)
	b.fillAndSign()
	sent(t, client, "Service agreement with Acme", ann, ben)
	b.scheme("light")
	b.open(p.url + "/")
	b.picture(dir, "readme-dashboard", chromedp.CaptureScreenshot())
	b.openToSign(p, ann)
	b.fill("Client", "Acme Ltd")
	b.fill("Start date", "2026-04-01")
	b.fill("Fee", "1500.50")
	b.fill("Your name", "Ann Archer")
	b.picture(dir, "readme-sign", chromedp.CaptureScreenshot())
}

// picture writes what the window shows into a file.
func (b *tab) picture(dir, name string, take chromedp.Action[[]byte]) {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, take)
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600))
}

// TestScreenshots makes a picture of every page, in the light, in the dark and on a
// phone.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	dir := pictures(t)
	p := start(t)
	client, b := p.client(t), newTab(t)
	places := world(t, p, client)
	picture := func(name string) { b.picture(dir, name, chromedp.FullScreenshot(100)) }
	for _, place := range places {
		b.scheme("light")
		b.open(place.url)
		picture(place.name + "-light")
		b.scheme("dark")
		picture(place.name + "-dark")
		b.scheme("light")
		b.size(360, 640)
		picture(place.name + "-phone")
		b.size(1200, 800)
	}
}
