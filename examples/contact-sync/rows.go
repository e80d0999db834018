package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/revv-go/revv"
)

// row is a contact as the CRM has it.
type row struct {
	line int // in the file
	want revv.UpsertContactParams
}

// readRows reads a CSV file and checks all of it: the error names every line that breaks
// a rule, and if there is one, no rows are returned.
func readRows(file io.Reader, name string) ([]row, error) {
	buffered := bufio.NewReader(file)
	if mark, _ := buffered.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = buffered.Discard(3) // spreadsheets put it in front
	}
	reader := csv.NewReader(buffered)
	reader.FieldsPerRecord = -1 // lines of another length are reported with all other problems
	header, err := reader.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: read the header: %w", name, err)
	}
	if err := checkHeader(header); err != nil {
		return nil, fmt.Errorf("%s:1: %w", name, err)
	}
	var (
		rows     []row
		problems []error
		seen     = make(map[string]int) // the line of each address
	)
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err)) // it names the line; what follows cannot be read
			break
		}
		line, _ := reader.FieldPos(0)
		r := row{line: line}
		for _, problem := range r.fill(header, record) {
			problems = append(problems, fmt.Errorf("%s:%d: %w", name, line, problem))
		}
		if first, twice := seen[addressKey(r.want.Email)]; twice && r.want.Email != "" {
			problems = append(problems, fmt.Errorf("%s:%d: email: %q stands in line %d already", name, line, r.want.Email, first))
		}
		seen[addressKey(r.want.Email)] = line
		rows = append(rows, r)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return rows, nil
}

func checkHeader(header []string) error {
	var problems []error
	for i, column := range header {
		switch {
		case !set(new(revv.UpsertContactParams), column, ""):
			problems = append(problems, fmt.Errorf("unknown column %q: columns are separated by commas, and are name, email, title, description, phone, type, linkedin, instagram, twitter and notes", column))
		case slices.Contains(header[:i], column):
			problems = append(problems, fmt.Errorf("column %q stands there twice", column))
		}
	}
	for _, required := range []string{"name", "email"} {
		if !slices.Contains(header, required) {
			problems = append(problems, fmt.Errorf("column %q is missing", required))
		}
	}
	return errors.Join(problems...)
}

// fill takes the values of a line and returns what is wrong with them.
func (r *row) fill(header, record []string) (problems []error) {
	if len(record) != len(header) {
		return []error{fmt.Errorf("%d values for %d columns", len(record), len(header))}
	}
	for i, column := range header {
		value := strings.TrimSpace(record[i])
		if !utf8.ValidString(value) {
			problems = append(problems, fmt.Errorf("%s: is not UTF-8", column))
		}
		set(&r.want, column, value)
	}
	if r.want.Name == "" {
		problems = append(problems, errors.New("name: must not be empty"))
	}
	if address, err := mail.ParseAddress(r.want.Email); err != nil || address.Address != r.want.Email {
		problems = append(problems, fmt.Errorf("email: %q is not an address", r.want.Email))
	}
	switch r.want.Type {
	case "", revv.ContactIndividual, revv.ContactCorporate:
	default:
		problems = append(problems, fmt.Errorf("type: %q is neither %s nor %s", r.want.Type, revv.ContactIndividual, revv.ContactCorporate))
	}
	return problems
}

// set sets the value of a column and reports whether there is such a column. An empty
// value clears what the contact has, except for a type, which cannot be cleared.
func set(want *revv.UpsertContactParams, column, value string) bool {
	switch column {
	case "name":
		want.Name = value
	case "email":
		want.Email = value
	case "type":
		want.Type = revv.ContactType(value)
	case "title":
		want.Title = &value
	case "description":
		want.Description = &value
	case "phone":
		want.Phone = &value
	case "linkedin":
		want.LinkedIn = &value
	case "instagram":
		want.Instagram = &value
	case "twitter":
		want.Twitter = &value
	case "notes":
		want.Notes = &value
	default:
		return false
	}
	return true
}

// differences names the members of a contact that differ from the CRM. Members that the
// file does not have are ignored.
func differences(have revv.Contact, want revv.UpsertContactParams) []string {
	var names []string
	for _, member := range []struct {
		name string
		have string
		want *string
	}{
		{"name", have.Name, &want.Name},
		{"title", have.Title, want.Title},
		{"description", have.Description, want.Description},
		{"phone", have.Phone, want.Phone},
		{"linkedin", have.LinkedIn, want.LinkedIn},
		{"instagram", have.Instagram, want.Instagram},
		{"twitter", have.Twitter, want.Twitter},
		{"notes", have.Notes, want.Notes},
	} {
		if member.want != nil && *member.want != member.have {
			names = append(names, member.name)
		}
	}
	if want.Type != "" && want.Type != have.Type {
		names = append(names, "type")
	}
	return names
}

// addressKey is the same for two spellings of an address.
func addressKey(email string) string { return strings.ToLower(email) }
