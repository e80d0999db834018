//go:build unix

package measure

import (
	"syscall"
	"time"
)

// CPUTime is the processor time that the process has used so far.
func CPUTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
