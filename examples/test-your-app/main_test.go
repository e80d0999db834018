package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/revvtest"
)

func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestRun_withoutAnEnvironment_survivesABadDay(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), environment(nil), &out))
	for _, line := range []string{
		"the lease is sent, the answer lost           sent",
		"the service hangs                            later … sent",
		"the token is revoked                         connect again … sent",
	} {
		assert.Contains(t, out.String(), line)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	assert.True(t, strings.HasPrefix(lines[len(lines)-1], "done: 8 leases, each sent once"), out.String())
}

func TestRun_withAnEnvironment_sendsOneLease(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	values := map[string]string{"REVV_BASE_URL": server.URL()}
	require.ErrorContains(t, run(t.Context(), environment(values), &bytes.Buffer{}), "REVV_TEMPLATE_ID")
	template := server.AddTemplate(revvtest.Template{Title: "Lease", Fields: []revvtest.Field{{Name: "Tenant"}, {Name: "Rent", Type: "number"}}})
	values["REVV_TEMPLATE_ID"] = fmt.Sprint(template)
	require.ErrorContains(t, run(t.Context(), environment(values), &bytes.Buffer{}), "REVV_TENANT")
	values["REVV_TENANT"], values["REVV_ACCESS_TOKEN"] = "tenant@example.com", server.Token().AccessToken

	var out bytes.Buffer
	require.NoError(t, run(t.Context(), environment(values), &out))
	assert.True(t, strings.HasPrefix(out.String(), "done: lease "), out.String())
	require.Len(t, server.Outbox(), 1)
	assert.Equal(t, "tenant@example.com", server.Outbox()[0].To)
}
