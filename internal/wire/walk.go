package wire

import "iter"

// Elements ranges over the elements of an array that [Scan] or [Member] has accepted.
// Each is a part of array, not a copy, without white space around it.
func Elements(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		i := skipSpace(array, 0) + 1
		for {
			i = skipSpace(array, i)
			if i >= len(array) || array[i] == ']' {
				return
			}
			end := skipValue(array, i)
			if !yield(array[i:end:end]) {
				return
			}
			if i = skipSpace(array, end); i >= len(array) || array[i] != ',' {
				return
			}
			i++
		}
	}
}

// Count returns how many elements an array has that [Scan] or [Member] has accepted.
func Count(array []byte) int {
	n := 0
	for range Elements(array) {
		n++
	}
	return n
}

// Select returns the values of members of an object that [Scan] or [Member] has accepted,
// in the order of keys, and nil for those that are missing. Names match as in [Member],
// and the values are parts of the object. Any other value has no members. No two keys may
// differ in case alone.
func Select(object []byte, keys ...string) [][]byte {
	return SelectInto(make([][]byte, len(keys)), object, keys)
}

// SelectInto is Select into values, which is of the length of keys and holds nil.
func SelectInto(values [][]byte, object []byte, keys []string) [][]byte {
	if Kind(object) != '{' {
		return values
	}
	var room [24]likeness // on the stack, for all objects of ours
	alike := room[:]
	if len(keys) > len(alike) {
		alike = make([]likeness, len(keys))
	}
	due := 0 // members mostly come in the order in which they are asked for
	for name, value := range members(object) {
		for range keys {
			at := due
			if due++; due == len(keys) {
				due = 0
			}
			if like := match(name, keys[at]); like != unlike {
				if like >= alike[at] {
					values[at], alike[at] = value, like
				}
				break
			}
		}
	}
	return values
}

// members ranges over the names of an object that has been scanned, as they stand
// between their quotes, and over the values.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		i := skipSpace(object, 0) + 1
		for {
			i = skipSpace(object, i)
			if i >= len(object) || object[i] != '"' {
				return
			}
			behind := skipText(object, i)
			start := skipSpace(object, skipSpace(object, behind)+1) // behind the colon
			end := skipValue(object, start)
			if !yield(object[i+1:behind-1], object[start:end:end]) {
				return
			}
			if i = skipSpace(object, end); i >= len(object) || object[i] != ',' {
				return
			}
			i++
		}
	}
}

// skipValue returns the offset behind the valid value that begins at i.
func skipValue(data []byte, i int) int {
	if i >= len(data) {
		return len(data)
	}
	switch data[i] {
	case '"':
		return skipText(data, i)
	case '{', '[':
		return skipContainer(data, i)
	}
	for i++; i < len(data); i++ {
		switch data[i] {
		case ',', ']', '}', ' ', '\n', '\t', '\r':
			return i
		}
	}
	return i
}

func skipContainer(data []byte, i int) int {
	open := 0
	for i < len(data) {
		switch data[i] {
		case '"':
			i = skipText(data, i)
			continue
		case '{', '[':
			open++
		case '}', ']':
			if open--; open == 0 {
				return i + 1
			}
		}
		i++
	}
	return i
}

// skipText returns the offset behind the valid string that begins at i.
func skipText(data []byte, i int) int {
	for i++; i < len(data); i++ {
		switch data[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return len(data)
}
