//go:build !windows

package main

import "strings"

// isTaken reports whether somebody else listens on the address. The error number differs
// between systems, and package syscall does not have all of them.
func isTaken(err error) bool { return strings.Contains(err.Error(), "address already in use") }
