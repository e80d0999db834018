package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/revvtest"
)

// A run with many workers was killed: its letters are at the front, and all of them unclear.
func TestSendFile_manyLettersOnTheirWay_sendsTheOthers(t *testing.T) {
	t.Parallel()
	const killed, others = maxFailures + 1, 2
	server := revvtest.NewServer(t)
	path := filepath.Join(t.TempDir(), "letters.csv")
	require.NoError(t, os.WriteFile(path, generate(killed+others), 0o600))
	var journal bytes.Buffer
	for i := range killed {
		require.NoError(t, json.NewEncoder(&journal).Encode(entry{ID: fmt.Sprintf("O-%03d", i+1), Until: time.Now()}))
	}
	require.NoError(t, os.WriteFile(path+".journal", journal.Bytes(), 0o600))
	made, err := sendFile(t.Context(), server.Client(), offerLetter, path, 1, &bytes.Buffer{})
	require.NoError(t, err)
	assert.Equal(t, report{sent: others, unclear: killed}, made)
}
