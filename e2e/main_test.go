package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// What all tests share: one program, built once, and one browser.
var (
	sandboxProgram string
	theBrowser     context.Context
)

func TestMain(m *testing.M) {
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func runAll(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "revv-e2e-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path, err := findBrowser()
	if err != nil {
		return 0, err
	}
	sandboxProgram = filepath.Join(dir, "revv-sandbox")
	build := exec.CommandContext(ctx, "go", "build", "-o", sandboxProgram, "github.com/revv-go/revv/cmd/revv-sandbox")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("the sandbox cannot be built: %w\n%s", err, out)
	}
	var stop func()
	if theBrowser, stop, err = startBrowser(ctx, path, filepath.Join(dir, "profile")); err != nil {
		return 0, err
	}
	defer stop()
	return m.Run(), nil
}

// findBrowser does not let the tests pass by where there is none: what is not
// tested must be seen.
func findBrowser() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("these tests need a browser: install Debian's chromium, or put chromium or google-chrome into the PATH")
}

// startBrowser starts a browser that knows nobody: a profile of its own, and no
// business on the network but ours.
func startBrowser(ctx context.Context, path, profile string) (browser context.Context, stop func(), err error) {
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path),
		chromedp.UserDataDir(profile),
		chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("headless", "new"),
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-extensions", true),
		chromedp.Flag("disable-dev-shm-usage", true), // small in containers
		chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("lang", "en-US"), // the order of day and month in a date
	}
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	if err := writeProfile(profile); err != nil {
		return nil, nil, err
	}
	var said bytes.Buffer
	options = append(options, chromedp.CombinedOutput(&said))
	allocator, stopAllocator := chromedp.NewExecAllocator(ctx, options...)
	browser, stopBrowser := chromedp.NewContext(allocator)
	stop = func() {
		// It is asked to end first, so that its profile is not written to any more.
		_ = chromedp.Cancel(browser)
		stopBrowser()
		stopAllocator()
	}
	if err := chromedp.Do(browser); err != nil {
		stop()
		return nil, nil, fmt.Errorf("%s does not start: %w\n%s", path, err, said.Bytes())
	}
	return browser, stop, nil
}

// writeProfile makes the browser store a PDF instead of showing it.
func writeProfile(dir string) error {
	dir = filepath.Join(dir, "Default")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	const preferences = `{"plugins":{"always_open_pdf_externally":true}}`
	return os.WriteFile(filepath.Join(dir, "Preferences"), []byte(preferences), 0o600)
}
