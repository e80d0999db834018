package revv

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/revv-go/revv/internal/wire"
)

// isLabel reports whether s is a DNS label in lower case.
func isLabel(s string) bool {
	for i := range len(s) {
		c := s[i]
		inner := c == '-' && i > 0 && i < len(s)-1
		if !inner && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != "" && len(s) <= 63
}

// base resolves WithBaseURL and WithSubdomain to the base URL of the API.
func (s *settings) base() *url.URL {
	switch {
	case s.given["WithBaseURL"] && s.given["WithSubdomain"]:
		s.reject("WithBaseURL and WithSubdomain", "exclude each other")
	case s.given["WithSubdomain"]:
		if isLabel(s.subdomain) {
			return &url.URL{Scheme: "https", Host: s.subdomain + ".revv.so"}
		}
		s.reject("WithSubdomain", "must be one DNS label in lower case, as acme")
	case s.given["WithBaseURL"]:
		base, err := parseEndpoint(s.baseURL)
		if err == nil && strings.TrimRight(base.Path, "/") != "" {
			err = wire.CheckPath(base.Path)
		}
		if err == nil {
			base.Path = strings.TrimRight(base.Path, "/")
			return base
		}
		s.reject("WithBaseURL", err.Error())
	default:
		s.reject("WithBaseURL or WithSubdomain", "is required: there is no default host")
	}
	return nil
}

// checkTarget checks a URL that the service is to call. Unlike the base URL it may have a
// user or a query, because a shared secret can be there.
func checkTarget(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "" || u.Hostname() == "":
		return errors.New("must be an absolute URL, as https://example.com/hooks")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return errors.New("must be https; http is for loopback addresses alone")
	case u.Fragment != "":
		return errors.New("must not contain a fragment")
	case strings.Contains(text, " "):
		return errors.New("must not contain a blank, which has to be escaped")
	case !isPort(u):
		return errPort
	}
	return nil
}

var errPort = errors.New("must have a port from 1 to 65535, or none")

// isPort reports whether the port of a URL is valid or left out.
func isPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && port > 0
}

// parseEndpoint parses the URL of a server that credentials are sent to. Its
// errors do not repeat the text, which may hold a password by mistake.
func parseEndpoint(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "" || u.Hostname() == "":
		return nil, errors.New("must be an absolute URL, as https://acme.example.com")
	case u.User != nil:
		return nil, errors.New("must not contain a user or a password")
	case u.RawQuery != "" || u.ForceQuery:
		return nil, errors.New("must not contain a query")
	case u.Fragment != "" || strings.Contains(text, "#"):
		return nil, errors.New("must not contain a fragment")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return nil, errors.New("must be https; http is for loopback addresses alone")
	case u.RawPath != "":
		return nil, errors.New("must not contain characters in its path that have to be escaped")
	case !isPort(u):
		return nil, errPort
	}
	u.Host = lowerASCII(u.Host)
	return u, nil
}

func isLoopback(host string) bool {
	if lowerASCII(host) == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// lowerASCII returns a host with its ASCII letters in lower case. Unicode has other
// letters whose lower case is an ASCII letter, such as the I with a dot: if they were
// changed, net/http would dial another host than the one that was compared.
func lowerASCII(host string) string {
	b := []byte(host)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// origin returns scheme, host and port, with the port spelled out.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(lowerASCII(u.Hostname()), port)
}
