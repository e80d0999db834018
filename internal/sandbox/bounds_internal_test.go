package sandbox

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestBoundedAppend_dropsTheOldestTenthWhenItIsFull(t *testing.T) {
	t.Parallel()
	var list []int
	for i := range 20 {
		list = boundedAppend(list, i, 20)
		assert.Len(t, list, i+1)
	}
	list = boundedAppend(list, 20, 20)
	assert.Len(t, list, 18)
	assert.Equal(t, 3, list[0])
	assert.Equal(t, 20, list[17])
	assert.Equal(t, 20, cap(list), "one piece of memory, and no more")
}

func TestSlug_keepsLettersAndDigitsOfASCII(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "-0189--ABYZ--abyz----", Slug("/0189:@ABYZ[`abyz{ üß"))
}
