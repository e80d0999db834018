package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// TestScreenshots makes pictures for people to look at, where E2E_SCREENSHOTS says.
// Whether the pages are as they should be is the business of the other tests.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	p := start(t)
	client, b := p.client(t), newTab(t)
	dir := os.Getenv("E2E_SCREENSHOTS")
	if dir == "" {
		dir = t.TempDir() // one picture shows that it can be done
	}
	require.NoError(t, os.MkdirAll(dir, 0o750))
	places := world(t, p, client)
	if os.Getenv("E2E_SCREENSHOTS") == "" {
		places = places[:1]
	}
	picture := func(name string) {
		png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600))
	}
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
