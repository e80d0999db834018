package sandbox

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Ids of contacts are found by search, which must compare all of their 64 bits where an
// int has 32: GOARCH=386 go test shows it.
func TestContacts_withLargeIDs_areFound(t *testing.T) {
	t.Parallel()
	s, err := New(Options{NoSeedData: true})
	require.NoError(t, err)
	defer s.Close()
	const far = 1 << 32
	s.account.Next.Contact = 1
	for range 3 {
		s.account.addContact(Contact{Name: "A"})
		s.account.Next.Contact += far - 1
	}
	for _, id := range []int64{1, 1 + far, 1 + 2*far} {
		c, err := s.account.contactByPath(strconv.FormatInt(id, 10))
		require.NoError(t, err)
		assert.Equal(t, id, int64(c.ID))
	}
	_, err = s.account.contactByPath(strconv.Itoa(2))
	require.Error(t, err)
}
