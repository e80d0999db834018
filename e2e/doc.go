// Package e2e walks through the sandbox program as people do: in a browser. Each
// test starts a program of its own, opens a window of its own, and finds what it
// clicks by role and name, as a person or a screen reader would, so that a new
// style breaks nothing. There is nothing to import; run
//
//	go test ./...
//
// in this directory, with Chromium installed. Pictures of the main pages, in the
// light, in the dark and on a phone, are made by
//
//	E2E_SCREENSHOTS=dir go test -run Screenshots ./...
//
// audit.js holds the rules of accessibility. Another judge, where its script is at
// hand, is asked as well:
//
//	E2E_AXE=axe.min.js go test -run Accessibility ./...
//
// It is a module of its own, so that nobody who imports the client depends on the
// driver of a browser.
package e2e
