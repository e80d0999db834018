package revv

import (
	"context"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// DNS rebinding: a public name that leads into a private network is refused when
// the address is known, before it is connected to.
func TestGuard_looksAtTheAddressThatIsDialled(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]struct{ public, local bool }{
		"8.8.8.8:443": {true, true}, "[2606:4700::1111]:443": {true, true},
		"127.0.0.1:443": {false, true}, "127.8.8.8:80": {false, true}, "[::1]:443": {false, true}, "[::ffff:127.0.0.1]:443": {false, true},
		"10.0.0.1:443": {}, "172.16.9.9:443": {}, "192.168.1.1:443": {}, "169.254.169.254:80": {}, "100.64.0.1:443": {}, "0.0.0.0:443": {}, "[::]:443": {},
		"[fe80::1%eth0]:443": {}, "[fd00::1]:443": {}, "[64:ff9b::7f00:1]:443": {}, "[::ffff:10.0.0.1]:443": {}, "[::127.0.0.1]:443": {}, "224.0.0.1:443": {}, "255.255.255.255:443": {},
		"storage.example.com:443": {}, "": {}, "8.8.8.8": {}, "/run/docker.sock": {},
	} {
		for _, local := range []bool{false, true} {
			err := (&guard{local: local}).control("tcp", address, nil)
			if want.public && !local || want.local && local {
				require.NoError(t, err, "%q local %t", address, local)
				continue
			}
			require.ErrorIs(t, err, ErrRedirected, "%q local %t", address, local)
		}
	}
}

// What is reserved at either end of a network, and what lies beside it.
func TestIsPublic_atTheEdges(t *testing.T) {
	t.Parallel()
	for _, text := range reserved() {
		network := netip.MustParsePrefix(text)
		assert.False(t, isPublic(network.Addr()), "%v", network)
		assert.False(t, isPublic(lastOf(network)), "%v", network)
	}
	for _, last := range []string{ // of each, so that the list itself is held
		"0.255.255.255", "100.127.255.255", "192.0.0.255", "192.0.2.255", "198.19.255.255", "198.51.100.255", "192.88.99.255", "203.0.113.255", "255.255.255.254",
		"2001:1ff:ffff::", "2001:db8:ffff::", "2002:ffff::", "3fff:fff:ffff::",
	} {
		assert.False(t, isPublic(netip.MustParseAddr(last)), last)
	}
	for _, text := range []string{
		"1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
		"191.255.255.255", "192.0.1.0", "192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0",
		"203.0.112.255", "203.0.114.0", "223.255.255.255", "2000::", "2001:200::", "2001:db7::", "2001:db9::", "2001:ffff::", "2003::", "3ffe::", "3fff:1000::",
	} {
		assert.True(t, isPublic(netip.MustParseAddr(text)), text)
		assert.True(t, isPublic(netip.AddrFrom16(netip.MustParseAddr(text).As16())), "%s within IPv6", text)
	}
	assert.False(t, isPublic(netip.Addr{}))
}

func lastOf(network netip.Prefix) netip.Addr {
	octets := network.Addr().AsSlice()
	for bit := network.Bits(); bit < len(octets)*8; bit++ {
		octets[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(octets)
	return last
}

// The client's own diallers obey the guard, the deprecated kind as well: nothing
// on this machine is connected to.
func TestStorage_guardsEveryDialler(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	var accepted, dialled atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			_ = conn.Close()
		}
	}()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	dial := func(network, address string) (net.Conn, error) {
		dialled.Add(1)
		return new(net.Dialer).DialContext(t.Context(), network, address)
	}
	dialContext := func(_ context.Context, network, address string) (net.Conn, error) { return dial(network, address) }
	for name, transport := range map[string]*http.Transport{
		"own":            nil,
		"plain":          {},
		"DialContext":    {DialContext: dialContext},
		"DialTLSContext": {DialTLSContext: dialContext},
		"Dial":           {Dial: dial},
		"DialTLS":        {DialTLS: dial},
	} {
		opts := []Option{WithBaseURL("https://api.example.com")}
		if transport != nil {
			opts = append(opts, WithHTTPClient(&http.Client{Transport: transport}))
		}
		client, err := NewClient(StaticToken("token"), opts...)
		require.NoError(t, err)
		for _, host := range []string{"127.0.0.1", "localhost"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+":"+port+"/", http.NoBody)
			require.NoError(t, err)
			_, err = client.core.storage().RoundTrip(req)
			require.ErrorIs(t, err, ErrRedirected, "%s %s", name, host)
		}
		made := transportOf(t, client)
		assert.Same(t, made, transportOf(t, client), "made once")
	}
	require.NoError(t, listener.Close())
	<-done
	assert.Zero(t, accepted.Load(), "connections that were made")
	assert.Zero(t, dialled.Load(), "diallers that were called")
}

func transportOf(t *testing.T, c *Client) *http.Transport {
	t.Helper()
	via, ok := c.core.storage().(*viaProxy)
	require.True(t, ok)
	direct, ok := via.direct.(*http.Transport)
	require.True(t, ok)
	assert.Nil(t, direct.Proxy)
	assert.True(t, direct.DisableKeepAlives)
	return direct
}

// A name that cannot be looked up here is left to the caller's dialler, which may
// know it.
func TestGuard_before_leavesUnknownNamesToTheDialler(t *testing.T) {
	t.Parallel()
	called := false
	dial := (&guard{}).guardedDial(func(context.Context, string, string) (net.Conn, error) {
		called = true
		return nil, io.EOF
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // so that nobody is asked
	_, err := dial(ctx, "tcp", "storage.invalid:443")
	require.ErrorIs(t, err, io.EOF)
	assert.True(t, called)
	_, err = dial(t.Context(), "tcp", "no port")
	require.Error(t, err)
	require.NotErrorIs(t, err, io.EOF)
	assert.Nil(t, (&guard{}).guardedDial(nil))
}

func TestSuggestedName_isABareName(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		`attachment; filename="NDA.pdf"`: "NDA.pdf", `inline; filename=NDA.pdf`: "NDA.pdf", `attachment; filename*=UTF-8''M%C3%BCller.pdf`: "Müller.pdf",
		`attachment; filename="../../etc/passwd"`: "passwd", `attachment; filename="..\..\windows\system.ini"`: "system.ini", `attachment; filename="C:NDA.pdf"`: "NDA.pdf",
		`attachment; filename="/"`: "", `attachment; filename=".."`: "", `attachment; filename="."`: "", `attachment; filename="a/.."`: "", `attachment; filename="... ..."`: "",
		`attachment; filename=".bashrc"`: "bashrc", `attachment; filename="NDA.pdf. . "`: "NDA.pdf", `attachment; filename="a<b>c|d?e*f.pdf"`: "abcdef.pdf",
		"attachment; filename=\"a\x00b.pdf\"": "ab.pdf", `attachment; filename*=UTF-8''a%00b%0D%0A.pdf`: "ab.pdf", `attachment; filename*=UTF-8''a%E2%80%AEfdp.exe`: "afdp.exe",
		`attachment; filename*=UTF-8''%FF%FE`: "", `attachment; filename*=UTF-8''%2e%2e%2fpasswd`: "passwd", `attachment; filename="` + strings.Repeat("a", 256) + `"`: "",
		`attachment; filename="` + strings.Repeat("a", 255) + `"`: strings.Repeat("a", 255), `attachment`: "", ``: "", `;;;`: "", `attachment; filename="a"; filename="b"`: "", `attachment; name="x"`: "",
		`attachment; filename="CON"`: "", `attachment; filename="nul.pdf"`: "", `attachment; filename="com1 .tar.gz"`: "", `attachment; filename*=UTF-8''LPT%C2%B9.pdf`: "", `attachment; filename="conout$"`: "",
		`attachment; filename="CONTRACT.pdf"`: "CONTRACT.pdf", `attachment; filename="COM10.pdf"`: "COM10.pdf", `attachment; filename="COMA.pdf"`: "COMA.pdf", `attachment; filename="LPT.pdf"`: "LPT.pdf",
	} {
		assert.Equal(t, want, suggestedName(header), "%q", header)
	}
}

func FuzzSuggestedName(f *testing.F) {
	for _, seed := range []string{
		`attachment; filename="NDA.pdf"`, `attachment; filename*=UTF-8''..%2f%2e%2e%5cNDA%00.pdf`, `inline; filename="..\\..\\CON"`, `a; filename*0="x/"; filename*1="y"`, "; filename=\"\u202e\"",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		name := suggestedName(header)
		if name == "" {
			return
		}
		assert.True(t, utf8.ValidString(name))
		assert.LessOrEqual(t, len(name), 255)
		assert.Equal(t, name, filepath.Base(name))
		assert.NotContains(t, []string{".", ".."}, name)
		assert.False(t, strings.ContainsAny(name, "/\\:<>\"|?*"))
		assert.False(t, strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }))
		assert.Equal(t, strings.Trim(name, ". "), name)
	})
}

// FuzzContentRange: whatever a 206 says, a download goes on only where it was cut.
func FuzzContentRange(f *testing.F) {
	for _, seed := range []string{"bytes 10-99/100", "bytes 10-99/*", "bytes */100", "bytes 010-99/100", "bytes 10-99/-1", "bytes 10--1/0", "bytes 10-9223372036854775808/*", "bytes +10-99/100"} {
		f.Add(seed, int64(10), int64(100))
		f.Add(seed, int64(10), int64(-1))
	}
	f.Fuzz(func(t *testing.T, span string, done, total int64) {
		if done < 0 || total < -1 || total >= 0 && done > total {
			return
		}
		s := &stream{done: done, total: total, validator: `"v1"`}
		if !s.continues(&http.Response{Header: http.Header{"Content-Range": {span}, "Etag": {s.validator}}}) {
			return
		}
		assert.True(t, strings.HasPrefix(span, "bytes "))
		if total >= 0 {
			assert.Equal(t, total, s.total, "the length does not change on the way")
		}
		assert.GreaterOrEqual(t, s.total, int64(-1))
	})
}

func TestIsPublicHost_namesAreASCII(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"storage.example.com": true, "storage.example.com.": true, "\u007f.example.com": true, "\u0080.example.com": false, "ü.example.com": false,
		"8.8.8.8": true, "127.1": false, "0x7f.1": false, "a.0x7f": false, "2130706433": false, "localhost": false, "a.localhost": false,
		"LOCALHOST": false, "localho\u017Ft": false, "\u212A.example.com": false, "s\u0130te.example.com": false, "2606:4700::1": true,
		"2001:db8::1%x": false, "2606:4700::1%x": true,
	} {
		assert.Equal(t, want, isPublicHost(host), "%q", host)
	}
}

// Where a file system has no links, a link that fails is no reason to replace a
// file. Here it fails because there is nothing to link to.
func TestPublish_withoutALink_keepsAFileThatIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing, kept, free := filepath.Join(dir, "missing.part"), filepath.Join(dir, "kept.pdf"), filepath.Join(dir, "free.pdf")
	require.NoError(t, os.WriteFile(kept, []byte("kept"), 0o600))
	require.ErrorIs(t, publish(missing, kept, false), fs.ErrExist)
	require.ErrorIs(t, publish(missing, free, false), fs.ErrNotExist)
	content, err := os.ReadFile(kept)
	require.NoError(t, err)
	assert.Equal(t, "kept", string(content))
}
