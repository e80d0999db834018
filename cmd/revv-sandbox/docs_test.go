package main

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The command that the program prints takes the token out of the answer of its login.
func TestAnnounce_commandForAToken_findsTheToken(t *testing.T) {
	t.Parallel()
	p := start(t)
	_, rest, ok := strings.Cut(p.out.String(), "sed 's/")
	require.True(t, ok)
	expression, _, ok := strings.Cut(rest, `/\1/')`)
	require.True(t, ok)
	find := regexp.MustCompile("^" + strings.NewReplacer(`\(`, "(", `\)`, ")").Replace(expression) + "$")

	r := p.send("POST", "/api/v2/auth/initiate-auth", ownerLogin, "GrantType", "password", "Content-Type", "application/json")
	found := find.FindStringSubmatch(strings.TrimSpace(r.body))
	require.Len(t, found, 2, "%s", r.body)
	p.token = found[1]
	p.call("GET", "/api/webhooks", "")
}

// What docs/sandbox.md says of faults without a browser works from a program that sends
// what its commands send, and nothing else.
func TestDocs_faultsWithoutABrowser(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/sandbox.md")
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(page), "\n## Without a browser\n")
	require.True(t, ok)
	section, _, _ = strings.Cut(section, "\n## ")
	p := start(t)

	command := regexp.MustCompile(`-X POST http://127\.0\.0\.1:8787(/\S+)((?:\s+\\?\s*-d \S+)*)`)
	var posted []string
	for _, found := range command.FindAllStringSubmatch(section, -1) {
		var form []string
		for _, pair := range regexp.MustCompile(`-d (\S+)`).FindAllStringSubmatch(found[2], -1) {
			form = append(form, pair[1])
		}
		r := p.send("POST", found[1], strings.Join(form, "&"), "Content-Type", "application/x-www-form-urlencoded")
		assert.Equal(t, http.StatusSeeOther, r.status, found[0])
		posted = append(posted, found[1])
		faults := p.send("GET", "/faults", "").body
		assert.Equal(t, len(form) > 0, strings.Contains(faults, "Documents.SendForESign</td>"), found[0])
	}
	assert.Equal(t, []string{"/faults", "/faults/clear"}, posted)

	_, presets, ok := strings.Cut(section, "says what each preset does:")
	require.True(t, ok)
	presets, _, _ = strings.Cut(presets, "\n")
	faults := p.send("GET", "/faults", "").body
	var named, offered []string
	for _, name := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(presets, -1) {
		named = append(named, name[1])
	}
	for _, key := range regexp.MustCompile(`name="preset" value="([a-z-]+)"`).FindAllStringSubmatch(faults, -1) {
		offered = append(offered, key[1])
		assert.Contains(t, faults, "<code>"+key[1]+"</code>")
	}
	assert.NotEmpty(t, offered)
	assert.Equal(t, offered, named, "every preset, in the order of the page")
}
