package measure

import (
	"runtime"
	"runtime/metrics"
	"time"
)

// heapSample is how often the heap is looked at.
const heapSample = 500 * time.Microsecond

// PeakHeap runs work and returns by how many bytes the live and the not yet
// collected objects of the heap rose above what was there at its start.
func PeakHeap(work func() error) (uint64, error) {
	runtime.GC()
	runtime.GC() // the second one empties what pools keep over the first
	start := heapNow()
	peak := start
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(heapSample)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				peak = max(peak, heapNow())
			}
		}
	}()
	err := work()
	close(stop)
	<-done
	return max(peak, heapNow()) - start, err
}

func heapNow() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
