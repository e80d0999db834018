package main

import (
	"log"
	"net/http"
	"strings"
	"time"
)

// logRequests logs method, route and status. It logs the route instead of the path, and
// no query, because links and codes are secrets.
func logRequests(next http.Handler, logger *log.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		recorder := &statusRecorder{ResponseWriter: w}
		defer func() { // also behind an answer that is cut on purpose
			status := any(recorder.status)
			if recorder.status == 0 {
				status = "no answer"
			}
			logger.Printf("%s %s %v %v", method(r), routeOf(r), status, time.Since(begun).Round(time.Microsecond))
		}()
		next.ServeHTTP(recorder, r)
	})
}

// method is the method of the request if it is a known one: a client can send any word.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "(unknown method)"
}

// routeOf is the pattern that the request matched, which a ServeMux leaves in it.
func routeOf(r *http.Request) string {
	_, route, ok := strings.Cut(r.Pattern, " ")
	if !ok {
		route = r.Pattern
	}
	if route == "" || route == "/" {
		return "(unknown path)"
	}
	return strings.TrimSuffix(route, "{$}")
}

// statusRecorder records the status. Flushing and hijacking reach the wrapped writer
// through [http.ResponseController].
type statusRecorder struct {
	http.ResponseWriter

	status int
}

// WriteHeader records the first status that ends the headers.
func (w *statusRecorder) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implies 200, as in net/http.
func (w *statusRecorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (w *statusRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
