package e2e

import (
	"os"
	"path/filepath"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// download follows a link and returns the file that the browser stores.
func (b *tab) download(link string) []byte {
	b.t.Helper()
	dir := b.t.TempDir()
	window := chromedp.FromContext(b.ctx).BrowserContextID
	_, err := chromedp.CallBrowser(b.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllowAndName, BrowserContextID: window, DownloadPath: dir,
	})
	require.NoError(b.t, err)
	b.follow(link)
	var file []byte
	b.until("downloaded file", func() (bool, error) {
		// The browser gives the file its name when it is whole.
		names, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(names) != 1 || filepath.Ext(names[0]) != "" {
			return false, err
		}
		file, err = os.ReadFile(names[0])
		return len(file) > 0, err
	})
	return file
}
