package main

import (
	"errors"
	"syscall"
)

// isTaken reports whether somebody else listens on the address. The text of the error
// depends on the language of the system, and syscall.EADDRINUSE is an invention there.
func isTaken(err error) bool {
	const wsaEADDRINUSE = syscall.Errno(10048)
	return errors.Is(err, wsaEADDRINUSE)
}
