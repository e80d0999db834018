package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/revv-go/revv/internal/sandbox"
)

// config is what the flags and the environment set.
type config struct {
	address     string
	allowRemote bool
	baseURL     string // "" means the address that it listens on
	stateFile   string // "" means that nothing is kept
	webhooks    []string
	options     sandbox.Options

	variables map[string]string // by the name of a setting that the environment gave, its variable
}

// named is the flag or variable that a setting was given by, for messages.
func (c *config) named(setting string) string {
	if variable, ok := c.variables[setting]; ok {
		return variable
	}
	return "-" + setting
}

// setting is one flag, which is also a variable of the environment.
type setting struct {
	name     string
	argument string // what the usage calls its value, "" for a switch
	initial  string // what the usage calls its default, "" for none
	usage    string
	set      func(c *config, value string) error
}

const variablePrefix = "REVV_SANDBOX_"

// variable is the name of the setting in the environment.
func (s *setting) variable() string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

const (
	defaultAddress  = "127.0.0.1:8787"
	callbackURL     = "http://127.0.0.1/callback" // whatever its port
	defaultLifetime = time.Hour
	lastYear        = 9000 // that the clock starts in: JSON has no years of five digits
)

func settings() []*setting {
	return []*setting{
		{
			"addr", "HOST:PORT", defaultAddress, "where to listen; port 0 takes a free one",
			func(c *config, value string) error { c.address = value; return nil },
		},
		{
			"allow-remote", "", "", "listen on an address that other machines reach; whoever reaches it can do everything",
			func(c *config, value string) (err error) { c.allowRemote, err = parseSwitch(value); return err },
		},
		{
			"allow-origin", "ORIGIN,…", "", "let pages of these origins call the API from a browser, such as https://app.example.com, beside those on localhost and other loopback addresses; * lets all",
			func(c *config, value string) error { return parseOrigins(c, splitList(value)) },
		},
		{
			"allow-host", "NAME,…", "", "answer under these names, too, such as sandbox or host.docker.internal, beside those of loopback, IP addresses and the host of -base-url; * lets all",
			func(c *config, value string) error { return parseHosts(c, splitList(value)) },
		},
		{
			"base-url", "URL", "the address", "the URL that links in mails and answers begin with, if the sandbox is reached under another URL than its address",
			func(c *config, value string) (err error) { c.baseURL, err = parseBaseURL(value); return err },
		},
		{
			"state", "FILE", "", "keep everything in this file, so that it survives a restart",
			func(c *config, value string) error {
				if c.stateFile = value; value == "" {
					return errors.New("must be the name of a file; without the flag, nothing is kept")
				}
				return nil
			},
		},
		{
			"seed-data", "", "true", "begin with templates and contacts; -seed-data=false begins empty",
			func(c *config, value string) error {
				on, err := parseSwitch(value)
				c.options.NoSeedData = !on
				return err
			},
		},
		{
			"seed", "N", "", "generate ids, tokens and the client secret from this number: the same each time, and guessable",
			func(c *config, value string) error {
				n, err := strconv.ParseUint(value, 10, 64)
				if err != nil {
					return fmt.Errorf("must be a whole number from 0, not %q", value)
				}
				c.options.Seed = &n
				return nil
			},
		},
		{
			"clock", "TIME", "now", "start the clock at this time, such as 2021-06-18T12:00:00Z; it runs on from there",
			func(c *config, value string) error {
				start, err := time.Parse(time.RFC3339, value)
				if err != nil || start.Year() > lastYear {
					return fmt.Errorf("must be a time such as 2021-06-18T12:00:00Z, up to the year %d, not %q", lastYear, value)
				}
				c.options.Clock = clockFrom(start)
				return nil
			},
		},
		{
			"token-lifetime", "DURATION", "1h", "how long access tokens live; 0 means for ever",
			func(c *config, value string) (err error) {
				c.options.TokenLifetime, err = parseLifetime(value)
				return err
			},
		},
		{
			"rate-limit", "N/DURATION", "none", "how many API calls are answered within each window, such as 100/1m; more get 429",
			func(c *config, value string) (err error) {
				c.options.RateLimit, err = parseRateLimit(value)
				return err
			},
		},
		{
			"redirect-url", "URL,…", "", "register these redirect URLs in addition to " + callbackURL + "; any port is accepted for a redirect URL on 127.0.0.1",
			func(c *config, value string) error { return parseRedirectURLs(c, splitList(value)) },
		},
		{
			"webhook", "URL,…", "none", "subscribe these URLs to every event at the start",
			func(c *config, value string) error { return parseWebhooks(c, splitList(value)) },
		},
		{
			"strict", "", "", "refuse what is otherwise tolerated: unknown members and parameters, ids as text, other content types",
			func(c *config, value string) error {
				on, err := parseSwitch(value)
				c.options.Lenient = !on
				return err
			},
		},
		{
			"repeated-sends", "", "", "send a document again that is already out, with mails to everybody, instead of refusing",
			func(c *config, value string) (err error) {
				c.options.RepeatedSends, err = parseSwitch(value)
				return err
			},
		},
	}
}

// readConfig reads the environment and then the flags, which win. All that is
// wrong is reported, each with the name that it was given under. It returns
// [flag.ErrHelp] after printing the usage to help.
func readConfig(args, environment []string, help io.Writer) (*config, error) {
	c := &config{address: defaultAddress}
	c.options.Lenient = true
	c.options.TokenLifetime = defaultLifetime
	c.options.RedirectURLs = []string{callbackURL}

	all := settings()
	flags := flag.NewFlagSet("revv-sandbox", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the error says it once
	given := map[string]string{}
	for _, s := range all {
		take := func(value string) error { given[s.name] = value; return nil }
		if s.argument == "" {
			flags.BoolFunc(s.name, s.usage, take)
			continue
		}
		flags.Func(s.name, s.usage, take)
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		printUsage(help, all)
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w; -h lists the flags", err)
	case flags.NArg() > 0:
		return nil, fmt.Errorf("%q is no flag; -h lists the flags", flags.Arg(0))
	}
	var problems []error
	for _, s := range all {
		value, ok := given[s.name]
		if !ok {
			if value, ok = lookup(environment, s.variable()); !ok || value == "" {
				continue
			}
			if c.variables == nil {
				c.variables = map[string]string{}
			}
			c.variables[s.name] = s.variable()
		}
		if err := s.set(c, value); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", c.named(s.name), err))
		}
	}
	if err := checkAddress(c.address, c.allowRemote); err != nil {
		problems = append(problems, fmt.Errorf("%s: %w", c.named("addr"), err))
	}
	problems = append(problems, checkVariables(environment, all))
	return c, errors.Join(problems...)
}

// checkVariables refuses a variable that would be ignored. Three kinds are allowed:
// variables that Kubernetes sets for services whose names begin with revv-sandbox, the
// one that switches on the project's own measurements, and empty ones.
func checkVariables(environment []string, all []*setting) error {
	known := make([]string, len(all))
	for i, s := range all {
		known[i] = s.variable()
	}
	var problems []error
	for _, line := range environment {
		name, value, _ := strings.Cut(line, "=")
		rest, ours := strings.CutPrefix(name, variablePrefix)
		words := strings.Split(rest, "_")
		ofKubernetes := slices.Contains(words, "SERVICE") || slices.Contains(words, "PORT")
		if strings.HasSuffix(name, "_PORT") && !strings.Contains(value, "://") && !slices.Contains(words, "SERVICE") {
			ofKubernetes = false // somebody looks for -addr
		}
		if ours && value != "" && !ofKubernetes && rest != "MEASURE" && !slices.Contains(known, name) {
			problems = append(problems, fmt.Errorf("%s: no setting has this variable; there are %s", name, strings.Join(known, ", ")))
		}
	}
	return errors.Join(problems...)
}

// lookup finds the last value of a variable, as the operating system has it.
func lookup(environment []string, name string) (value string, ok bool) {
	for _, line := range slices.Backward(environment) {
		if key, value, found := strings.Cut(line, "="); found && key == name {
			return value, true
		}
	}
	return "", false
}

// checkAddress refuses an address that other machines could reach. A name could belong to
// any machine, so every name except localhost needs the same permission.
func checkAddress(address string, allowRemote bool) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("must be HOST:PORT, not %q", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return fmt.Errorf("the port must be a number from 0 to 65535, not %q", port)
	}
	if !allowRemote && !sandbox.IsLoopback(host) {
		return fmt.Errorf("%q is not a loopback address, so that other machines would reach the sandbox, which has no access control; -allow-remote permits it", address)
	}
	return nil
}

func parseSwitch(value string) (bool, error) {
	switch value {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("must be true or false, not %q", value)
}

func parseBaseURL(value string) (string, error) {
	base, ok := parseOrigin(value)
	if !ok {
		return "", errors.New("must be an http or https URL of a host and, if need be, a port from 1 to 65535, without user, path and query, as http://sandbox.example.com:8787")
	}
	return base, nil
}

// parseOrigin reads scheme, host and port of a URL that has nothing else.
func parseOrigin(value string) (origin string, ok bool) {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" ||
		u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", false
	}
	if strings.HasSuffix(u.Host, ":") || !sandbox.IsPort(u.Port()) || hasEmptyLabel(u.Hostname()) || strings.Contains(u.Host, "*") {
		return "", false
	}
	return u.Scheme + "://" + u.Host, true
}

// isShellOrigin reports the origin of a page that does not run in a browser, such as
// capacitor://localhost or chrome-extension://abc.
func isShellOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme != "http" && u.Scheme != "https" && u.Host != "" && text == u.Scheme+"://"+u.Host && !strings.Contains(u.Host, "*")
}

// parseHosts takes names of hosts: a Host header has no scheme, and its port is not
// compared.
func parseHosts(c *config, list []string) error {
	for _, name := range list {
		u, err := url.Parse("http://" + name)
		if name != "*" && (err != nil || u.Host != name || u.Port() != "" || strings.HasSuffix(name, ":") || strings.Contains(name, "*") || hasEmptyLabel(name)) {
			return fmt.Errorf("must be names of hosts without scheme and port, such as sandbox or host.docker.internal, or * for all, not %q", name)
		}
		c.options.Hosts = append(c.options.Hosts, name)
	}
	return nil
}

// hasEmptyLabel reports a name with an empty part, or none at all.
func hasEmptyLabel(name string) bool {
	return slices.Contains(strings.Split(strings.TrimSuffix(name, "."), "."), "")
}

// parseOrigins writes each origin as a browser does, without the default port of its
// scheme.
func parseOrigins(c *config, list []string) error {
	for _, text := range list {
		origin, ok := parseOrigin(text)
		switch {
		case text == "*" || isShellOrigin(text):
			origin = text
		case !ok:
			return fmt.Errorf("must be origins such as https://app.example.com or http://192.168.1.7:3000, or * for all, not %q", text)
		case strings.HasPrefix(origin, "https:"):
			origin = strings.TrimSuffix(origin, ":443")
		default:
			origin = strings.TrimSuffix(origin, ":80")
		}
		c.options.Origins = append(c.options.Origins, origin)
	}
	return nil
}

// parseLifetime translates to the options of the sandbox, where 0 means the default and a
// negative lifetime has no end.
func parseLifetime(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err == nil && d == 0 {
		return -1, nil
	}
	if err != nil || d < time.Second {
		return 0, fmt.Errorf("must be a duration from 1s, such as 15m, or 0 for ever, not %q", value)
	}
	return d, nil
}

func parseRateLimit(value string) (sandbox.RateLimit, error) {
	requests, window, _ := strings.Cut(value, "/")
	n, err := strconv.Atoi(requests)
	d, windowErr := time.ParseDuration(window)
	if err != nil || windowErr != nil || n < 1 || d <= 0 {
		return sandbox.RateLimit{}, fmt.Errorf("must be a number from 1, a slash and a duration, such as 100/1m, not %q", value)
	}
	return sandbox.RateLimit{Requests: n, Per: d}, nil
}

func parseRedirectURLs(c *config, list []string) error {
	for _, text := range list {
		if err := sandbox.CheckRedirectURL(text); err != nil {
			return err
		}
	}
	c.options.RedirectURLs = append(c.options.RedirectURLs, list...)
	return nil
}

// parseWebhooks does not quote a URL: the last part of its path may be the
// secret that the receiver knows its sender by.
func parseWebhooks(c *config, targets []string) error {
	for i, target := range targets {
		u, err := url.Parse(target)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Fragment != "" {
			return fmt.Errorf("entry %d must be an absolute http or https URL without a fragment", i+1)
		}
	}
	c.webhooks = targets
	return nil
}

// splitList splits at commas and drops what is empty.
func splitList(value string) []string {
	list := []string{}
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// clockFrom runs like the system's clock, but from start.
func clockFrom(start time.Time) func() time.Time {
	begun := time.Now()
	return func() time.Time { return start.Add(time.Since(begun)) }
}

func printUsage(out io.Writer, all []*setting) {
	fmt.Fprint(out, `revv-sandbox is a Revv on your own machine: the API, OAuth with a consent page,
templates, documents, mails, pages for signers, webhooks and faults on demand.

usage: revv-sandbox [flags]

`)
	for _, s := range all {
		head := "-" + s.name
		if s.argument != "" {
			head += " " + s.argument
		}
		fmt.Fprintf(out, "  %s\n        %s", head, s.usage)
		if s.initial != "" {
			fmt.Fprintf(out, " (default %s)", s.initial)
		}
		fmt.Fprintf(out, "\n        [$%s]\n", s.variable())
	}
	fmt.Fprint(out, `
A flag wins over its variable. SIGINT and SIGTERM end the program.
`)
}
