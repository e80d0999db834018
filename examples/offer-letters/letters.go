package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/revv-go/revv"
)

// letter is a row of the CSV file.
type letter struct {
	ID, Email, Candidate, Position, StartDate, Salary string

	line int
}

// columns are the columns of the CSV file, in any order.
func columns() []string {
	return []string{"id", "email", "candidate", "position", "start_date", "salary"}
}

var (
	letterID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,40}$`)
	amount   = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)
)

// title is how the document is recognised in the account.
func (l letter) title() string { return fmt.Sprintf("Offer letter for %s (%s)", l.Candidate, l.ID) }

// fields fills the fields of the template, under the names that they have there.
func (l letter) fields() []revv.FieldValue {
	return []revv.FieldValue{
		{Name: "Candidate", Value: l.Candidate},
		{Name: "Position", Value: l.Position},
		{Name: "Start date", Value: l.StartDate},
		{Name: "Salary", Value: l.Salary},
	}
}

// readLetters reads all rows and checks all of them: nobody gets a letter if a single row
// is wrong.
func readLetters(path string) ([]letter, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	letters, err := parseLetters(data)
	if err != nil {
		return nil, fmt.Errorf("nothing was sent, %s has to be corrected first:\n%w", path, err)
	}
	return letters, nil
}

func parseLetters(data []byte) ([]letter, error) {
	reader := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff")))) // spreadsheets write a byte order mark
	header, err := reader.Read()
	if err != nil {
		return nil, fmt.Errorf("line 1: the names of the columns are due: %w", err)
	}
	if missing := slices.DeleteFunc(columns(), func(name string) bool { return slices.Contains(header, name) }); len(missing) > 0 || len(header) != len(columns()) {
		return nil, fmt.Errorf("line 1: the columns must be %s, with commas between them, not %q", strings.Join(columns(), ","), strings.Join(header, ","))
	}
	var (
		letters  []letter
		problems problems
	)
	seen := make(map[string]int)
	for {
		row, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, csv.ErrFieldCount) {
			problems.add("%v", err) // it names the line; what follows cannot be told apart
			break
		}
		line, _ := reader.FieldPos(0)
		if err != nil {
			problems.add("line %d: %d values, but %d columns", line, len(row), len(header))
			continue
		}
		value := func(name string) string { return strings.TrimSpace(row[slices.Index(header, name)]) }
		l := letter{value("id"), value("email"), value("candidate"), value("position"), value("start_date"), value("salary"), line}
		for _, rule := range l.broken() {
			problems.add("line %d: %s", line, rule)
		}
		for _, key := range []string{"id " + l.ID, "email " + strings.ToLower(l.Email)} {
			if first, twice := seen[key]; twice {
				problems.add("line %d: %s is in line %d already", line, key, first)
			}
			seen[key] = line
		}
		letters = append(letters, l)
	}
	if len(letters) == 0 && len(problems) == 0 {
		problems.add("line 2: there is no letter")
	}
	return letters, problems.err()
}

// broken lists the rules that the row breaks.
func (l letter) broken() []string {
	var rules problems
	if !letterID.MatchString(l.ID) {
		rules.add("id must be 1 to 40 letters, digits, dots and dashes, not %q", l.ID)
	}
	if address, err := mail.ParseAddress(l.Email); err != nil || address.Address != l.Email {
		rules.add("email must be a mail address, not %q", l.Email)
	}
	for _, text := range []struct{ column, value string }{{"candidate", l.Candidate}, {"position", l.Position}} {
		if text.value == "" || strings.ContainsFunc(text.value, unicode.IsControl) {
			rules.add("%s must be a text in one line, not %q", text.column, text.value)
		}
	}
	if _, err := time.Parse(time.DateOnly, l.StartDate); err != nil {
		rules.add("start_date must be a date such as 2026-02-01, not %q", l.StartDate)
	}
	if !amount.MatchString(l.Salary) {
		rules.add("salary must be a number such as 52000 or 52000.50, not %q", l.Salary)
	}
	return rules
}

// problems are reported all at once, so that a file is corrected in one go.
type problems []string

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

func (p *problems) err() error {
	const most = 20
	if len(*p) == 0 {
		return nil
	}
	shown := *p
	if more := len(shown) - most; more > 0 {
		shown = append(slices.Clone(shown[:most]), fmt.Sprintf("and %d more", more))
	}
	return errors.New(strings.Join(shown, "\n"))
}
