package main

import (
	"bytes"
	"flag"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

func TestConfig_withoutFlags_isLenientOnLoopbackWithSeedData(t *testing.T) {
	t.Parallel()
	c, err := readConfig(nil, nil, nil)
	require.NoError(t, err)
	assert.Equal(t, &config{address: "127.0.0.1:8787", options: sandbox.Options{
		Lenient: true, TokenLifetime: time.Hour, RedirectURLs: []string{"http://127.0.0.1/callback"},
	}}, c)
}

func TestConfig_everySettingByFlagAndByEnvironment(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		flag, variable string
		check          func(c *config) bool
	}{
		{"-addr=[::1]:0", "ADDR=[::1]:0", func(c *config) bool { return c.address == "[::1]:0" }},
		{"-addr=localhost:80", "ADDR=localhost:80", func(c *config) bool { return c.address == "localhost:80" }},
		{"-allow-remote", "ALLOW_REMOTE=true", func(c *config) bool { return c.allowRemote }},
		{"-allow-origin=https://App.example.com:443/, http://192.168.1.7:3000,*", "ALLOW_ORIGIN=https://App.example.com,http://192.168.1.7:3000,*", func(c *config) bool {
			return assert.ObjectsAreEqual([]string{"https://App.example.com", "http://192.168.1.7:3000", "*"}, c.options.Origins)
		}},
		{"-allow-origin=http://app.example.com:80", "ALLOW_ORIGIN=http://app.example.com/", func(c *config) bool {
			return assert.ObjectsAreEqual([]string{"http://app.example.com"}, c.options.Origins)
		}},
		{"-allow-origin=capacitor://localhost,chrome-extension://abc", "ALLOW_ORIGIN=capacitor://localhost,chrome-extension://abc", func(c *config) bool {
			return assert.ObjectsAreEqual([]string{"capacitor://localhost", "chrome-extension://abc"}, c.options.Origins)
		}},
		{"-allow-host=sandbox, host.docker.internal,*", "ALLOW_HOST=sandbox,host.docker.internal,*", func(c *config) bool {
			return assert.ObjectsAreEqual([]string{"sandbox", "host.docker.internal", "*"}, c.options.Hosts)
		}},
		{"-base-url=http://[::1]:8787", "BASE_URL=http://[::1]:8787/", func(c *config) bool { return c.baseURL == "http://[::1]:8787" }},
		{"-base-url=http://sandbox.example.com.:65535", "BASE_URL=http://sandbox.example.com.:65535", func(c *config) bool {
			return c.baseURL == "http://sandbox.example.com.:65535"
		}},
		{"-base-url=https://sandbox.example.com/", "BASE_URL=https://sandbox.example.com", func(c *config) bool { return c.baseURL == "https://sandbox.example.com" }},
		{"-state=x.json", "STATE=x.json", func(c *config) bool { return c.stateFile == "x.json" }},
		{"-seed-data=false", "SEED_DATA=0", func(c *config) bool { return c.options.NoSeedData }},
		{"-seed=7", "SEED=7", func(c *config) bool { return c.options.Seed != nil && *c.options.Seed == 7 }},
		{"-clock=2021-06-18T12:00:00+02:00", "CLOCK=2021-06-18T10:00:00Z", func(c *config) bool {
			since := c.options.Clock().Sub(time.Date(2021, 6, 18, 10, 0, 0, 0, time.UTC))
			return since >= 0 && since < time.Minute
		}},
		{"-token-lifetime=90s", "TOKEN_LIFETIME=1m30s", func(c *config) bool { return c.options.TokenLifetime == 90*time.Second }},
		{"-token-lifetime=0s", "TOKEN_LIFETIME=0m", func(c *config) bool { return c.options.TokenLifetime < 0 }},
		{"-token-lifetime=0", "TOKEN_LIFETIME=0", func(c *config) bool { return c.options.TokenLifetime < 0 }},
		{"-rate-limit=100/1m", "RATE_LIMIT=100/60s", func(c *config) bool {
			return c.options.RateLimit == sandbox.RateLimit{Requests: 100, Per: time.Minute}
		}},
		{"-redirect-url=https://a.example.com/x, http://localhost:3000/y", "REDIRECT_URL=https://a.example.com/x,http://localhost:3000/y", func(c *config) bool {
			return assert.ObjectsAreEqual([]string{"http://127.0.0.1/callback", "https://a.example.com/x", "http://localhost:3000/y"}, c.options.RedirectURLs)
		}},
		{"-webhook=http://a.example.com, http://b.example.com", "WEBHOOK=http://a.example.com,http://b.example.com", func(c *config) bool {
			return assert.ObjectsAreEqual([]string{"http://a.example.com", "http://b.example.com"}, c.webhooks)
		}},
		{"-strict", "STRICT=true", func(c *config) bool { return !c.options.Lenient }},
	} {
		c, err := readConfig([]string{test.flag}, nil, nil)
		require.NoError(t, err, test.flag)
		assert.True(t, test.check(c), test.flag)
		c, err = readConfig(nil, []string{"REVV_SANDBOX_" + test.variable}, nil)
		require.NoError(t, err, test.variable)
		assert.True(t, test.check(c), test.variable)
	}
}

func TestConfig_flagWinsOverEnvironment(t *testing.T) {
	t.Parallel()
	environment := []string{"REVV_SANDBOX_SEED=broken", "REVV_SANDBOX_STRICT=true", "REVV_SANDBOX_STATE="}
	c, err := readConfig([]string{"-seed", "3", "-strict=false"}, environment, nil)
	require.NoError(t, err)
	assert.Equal(t, uint64(3), *c.options.Seed)
	assert.True(t, c.options.Lenient)
	assert.Empty(t, c.stateFile, "an empty variable is none")
}

func TestConfig_badValues_nameTheFlagAndTheRule(t *testing.T) {
	t.Parallel()
	for flags, want := range map[string][]string{
		"-addr=8787":                         {"-addr: ", "HOST:PORT"},
		"-addr=127.0.0.1:http":               {"-addr: ", "0 to 65535"},
		"-addr=127.0.0.1:65536":              {"-addr: ", "0 to 65535"},
		"-addr=0.0.0.0:8787":                 {"-addr: ", "not a loopback address", "-allow-remote"},
		"-addr=:8787":                        {"-addr: ", "not a loopback address", "-allow-remote"},
		"-addr=[::]:8787":                    {"-addr: ", "-allow-remote"},
		"-addr=192.0.2.1:8787":               {"-addr: ", "-allow-remote"},
		"-addr=sandbox.example.com:8787":     {"-addr: ", "-allow-remote"},
		"-addr=localhost.example.com:8787":   {"-addr: ", "-allow-remote"},
		"-base-url=sandbox.example.com":      {"-base-url: ", "http or https"},
		"-base-url=http://u:p@example.com":   {"-base-url: ", "without user"},
		"-base-url=http://example.com/revv":  {"-base-url: ", "path"},
		"-base-url=http://a..example:99999":  {"-base-url: ", "host", "port from 1 to 65535"},
		"-base-url=http://a..example":        {"-base-url: ", "host"},
		"-base-url=http://.example":          {"-base-url: ", "host"},
		"-base-url=http://example..":         {"-base-url: ", "host"},
		"-base-url=http://.":                 {"-base-url: ", "host"},
		"-base-url=http://:8787":             {"-base-url: ", "host"},
		"-base-url=http://example.com:":      {"-base-url: ", "port from 1 to 65535"},
		"-base-url=http://example.com:0":     {"-base-url: ", "port from 1 to 65535"},
		"-base-url=http://example.com:99999": {"-base-url: ", "port from 1 to 65535"},
		"-base-url=http://example.com?":      {"-base-url: ", "query"},
		"-base-url=http://example.com#x":     {"-base-url: ", "path"},
		"-allow-origin=app.example.com":      {"-allow-origin: ", "https://app.example.com"},
		"-allow-origin=null":                 {"-allow-origin: ", "* for all"},
		"-allow-origin=*.example.com":        {"-allow-origin: ", "* for all"},
		"-allow-origin=https://a.com/path":   {"-allow-origin: ", "a.com/path"},
		"-allow-origin=https://a.com:70000":  {"-allow-origin: ", "70000"},
		"-allow-origin=app://a/path":         {"-allow-origin: ", "* for all"},
		"-allow-origin=app://*":              {"-allow-origin: ", "* for all"},
		"-allow-origin=https://*.a.com":      {"-allow-origin: ", "* for all"},
		"-allow-host=http://sandbox":         {"-allow-host: ", "without scheme and port"},
		"-allow-host=sandbox:8787":           {"-allow-host: ", "without scheme and port"},
		"-allow-host=sandbox:":               {"-allow-host: ", "without scheme and port"},
		"-allow-host=*.example.com":          {"-allow-host: ", "without scheme and port"},
		"-allow-host=a..b":                   {"-allow-host: ", "without scheme and port"},
		"-allow-host=a/b":                    {"-allow-host: ", "without scheme and port"},
		"-state=":                            {"-state: ", "the name of a file"},
		"-seed=-1":                           {"-seed: ", "whole number from 0"},
		"-seed-data=perhaps":                 {"-seed-data: ", "true or false"},
		"-clock=yesterday":                   {"-clock: ", "2021-06-18T12:00:00Z"},
		"-clock=9001-01-01T00:00:00Z":        {"-clock: ", "up to the year 9000"},
		"-token-lifetime=-1h":                {"-token-lifetime: ", "from 1s"},
		"-token-lifetime=forever":            {"-token-lifetime: ", "0 for ever"},
		"-rate-limit=100":                    {"-rate-limit: ", "100/1m"},
		"-rate-limit=0/1m":                   {"-rate-limit: ", "from 1"},
		"-rate-limit=1/0s":                   {"-rate-limit: ", "duration"},
		"-redirect-url=http://example.com":   {"-redirect-url: ", "loopback"},
		"-webhook=example.com":               {"-webhook: ", "entry 1", "absolute"},
		"-rate-limit=1/minute":               {"-rate-limit: ", "duration"},
		"-allow-remote=perhaps":              {"-allow-remote: ", "true or false"},
		"-repeated-sends=perhaps":            {"-repeated-sends: ", "true or false"},
		"-allow-origin=app://":               {"-allow-origin: ", "* for all"},
		"-allow-origin=app://[::1":           {"-allow-origin: ", "* for all"},
		"-strict=2":                          {"-strict: ", "true or false"},
		"-nope":                              {"-nope", "-h"},
		"-seed":                              {"-seed", "-h"},
		"nope":                               {"nope", "-h"},
	} {
		_, err := readConfig([]string{flags}, nil, nil)
		for _, part := range want {
			assert.ErrorContains(t, err, part, flags)
		}
	}
	_, err := readConfig([]string{"-seed=x"}, []string{"REVV_SANDBOX_CLOCK=x", "REVV_SANDBOX_WEBHOOK=x?secret"}, nil)
	require.ErrorContains(t, err, "-seed: ")
	require.ErrorContains(t, err, "REVV_SANDBOX_CLOCK: ", "everything that is wrong is reported")
	require.ErrorContains(t, err, "REVV_SANDBOX_WEBHOOK: ")
	require.NotContains(t, err.Error(), "secret")
}

// Whoever set a variable does not look for a flag.
func TestConfig_messages_nameWhatWasGiven(t *testing.T) {
	t.Parallel()
	_, err := readConfig(nil, []string{"REVV_SANDBOX_ADDR=0.0.0.0:1"}, nil)
	require.ErrorContains(t, err, "REVV_SANDBOX_ADDR: ")
	require.NotContains(t, err.Error(), "-addr")
	_, err = readConfig([]string{"-addr=0.0.0.0:1"}, []string{"REVV_SANDBOX_ADDR=0.0.0.0:1"}, nil)
	require.ErrorContains(t, err, "-addr: ")
	require.NotContains(t, err.Error(), "REVV_SANDBOX_ADDR")
}

// A misspelt variable would be a setting that somebody believes in.
func TestConfig_unknownVariables_areRefused(t *testing.T) {
	t.Parallel()
	_, err := readConfig(nil, []string{"REVV_SANDBOX_STRCIT=true", "REVV_SANDBOX_PORT=8787"}, nil)
	for _, part := range []string{"REVV_SANDBOX_STRCIT: ", "REVV_SANDBOX_PORT: ", "REVV_SANDBOX_STRICT", "REVV_SANDBOX_ALLOW_ORIGIN"} {
		require.ErrorContains(t, err, part)
	}
	_, err = readConfig(nil, []string{
		"REVV_SANDBOX_STRCIT=", "REVV_BASE_URL=http://127.0.0.1:1", "REVV_SANDBOX=1", "PATH=/bin",
		// What Kubernetes tells every container about a service of this name.
		"REVV_SANDBOX_SERVICE_HOST=10.0.0.11", "REVV_SANDBOX_SERVICE_PORT=8787", "REVV_SANDBOX_SERVICE_PORT_HTTP=8787",
		"REVV_SANDBOX_PORT=tcp://10.0.0.11:8787", "REVV_SANDBOX_PORT_8787_TCP=tcp://10.0.0.11:8787", "REVV_SANDBOX_PORT_8787_TCP_PROTO=tcp",
		// And about services whose names begin with it.
		"REVV_SANDBOX_METRICS_SERVICE_HOST=10.0.0.3", "REVV_SANDBOX_METRICS_PORT=tcp://10.0.0.3:9090", "REVV_SANDBOX_METRICS_PORT_9090_TCP_ADDR=10.0.0.3",
		// The project's measurements, see docs/sandbox.md.
		"REVV_SANDBOX_MEASURE=1",
	}, nil)
	require.NoError(t, err)
}

func TestConfig_allowRemote_permitsEveryAddress(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"0.0.0.0:8787", ":8787", "sandbox.example.com:8787"} {
		c, err := readConfig([]string{"-addr", address, "-allow-remote"}, nil, nil)
		require.NoError(t, err)
		assert.Equal(t, address, c.address)
	}
}

func TestReachable_isAnAddressForABrowser(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "127.0.0.1:8787", reachable(&net.TCPAddr{IP: net.IPv4zero, Port: 8787}))
	assert.Equal(t, "127.0.0.1:8787", reachable(&net.TCPAddr{IP: net.IPv6zero, Port: 8787}))
	assert.Equal(t, "[::1]:8787", reachable(&net.TCPAddr{IP: net.IPv6loopback, Port: 8787}))
}

func TestUsage_namesEveryFlagAndItsVariable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	_, err := readConfig([]string{"-h"}, nil, &out)
	require.ErrorIs(t, err, flag.ErrHelp)
	for _, s := range settings() {
		assert.Contains(t, out.String(), "\n  -"+s.name)
		assert.Contains(t, out.String(), "[$"+s.variable()+"]\n")
	}
	require.NoError(t, run(t.Context(), []string{"-h"}, nil, &out, nil), "asking for help is no failure")
}
