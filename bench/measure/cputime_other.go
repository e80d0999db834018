//go:build !unix

package measure

import "time"

// CPUTime is the time that has passed: this system has no getrusage.
func CPUTime() time.Duration { return time.Since(processStart) }

//nolint:gochecknoglobals // the origin of a clock
var processStart = time.Now()
