//go:build !linux

package revv_test

import (
	"testing"

	"github.com/revv-go/revv"
)

// meetFullDisk has a part to play on Linux only.
func meetFullDisk(t *testing.T, _ *revv.FileStore) {
	t.Helper()
	t.Fatal("no disk can be made to look full here")
}

// openTooManyFiles as well.
func openTooManyFiles(t *testing.T, _ *revv.FileStore) {
	t.Helper()
	t.Fatal("the number of open files cannot be bounded here")
}
