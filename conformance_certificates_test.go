package revv_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// apiName is the host of services that speak TLS in these tests.
const apiName = "api.example.com"

// certified describes a server by what is wrong with it.
type certified struct {
	name                   string
	stranger, past, future bool
	oldTLS, oldCiphers     bool
}

// issuer signs certificates.
type issuer struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// issuers are the one that clients trust, and another one.
var issuers = sync.OnceValue(func() [2]issuer { return [2]issuer{newIssuer("Trusted"), newIssuer("Unknown")} })

func newIssuer(name string) issuer {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: year(1990), NotAfter: year(2090),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	key := newKey()
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return issuer{key, cert}
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// year is its beginning. Bubbles live in 2000.
func year(n int) time.Time { return time.Date(n, 1, 1, 0, 0, 0, 0, time.UTC) }

// config is that of a server with the faults of c.
func (c certified) config() *tls.Config {
	by := issuers()[0]
	if c.stranger {
		by = issuers()[1]
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: c.name}, DNSNames: []string{c.name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: year(1990), NotAfter: year(2090), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	switch {
	case c.past:
		template.NotAfter = year(1999)
	case c.future:
		template.NotBefore = year(2089)
	}
	key := newKey()
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, key.Public(), by.key)
	if err != nil {
		panic(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	if c.oldTLS {
		config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	}
	if c.oldCiphers {
		config.MaxVersion, config.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
	}
	return config
}

// trusted is a server with nothing wrong.
var trusted = sync.OnceValue(certified{name: apiName}.config)

// trust is what clients need to believe trusted servers.
func trust() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(issuers()[0].cert)
	return &tls.Config{RootCAs: pool}
}

// newTLSServer serves HTTP/2 and HTTP/1 over TLS on a port of this machine. Its
// own client trusts it.
func newTLSServer(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}
