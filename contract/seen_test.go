package contract

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/url"
	"slices"
	"strings"
)

// documented lists everything that the document promises: each operation with its
// parameters, members of bodies, answers, and their headers and members.
func (c *contract) documented() []string {
	var all []string
	note := func(key string) { all = append(all, key) }
	for _, op := range c.operations {
		for _, p := range list(op.spec["parameters"]) {
			parameter := c.resolve(p)
			note(parameterKey(op, text(parameter["in"]), text(parameter["name"])))
		}
		for media, content := range child(c.resolve(op.spec["requestBody"]), "content") {
			note(fmt.Sprintf("%s: sent as %s", op, media))
			c.members(child(object(content), "schema"), nil, true, fmt.Sprintf("%s: sent as %s: ", op, media), note)
		}
		for status, r := range child(op.spec, "responses") {
			response := c.resolve(r)
			note(fmt.Sprintf("%s: %s", op, status))
			for name := range child(response, "headers") {
				note(fmt.Sprintf("%s: %s: header %s", op, status, name))
			}
			for media, content := range child(response, "content") {
				note(fmt.Sprintf("%s: %s as %s", op, status, media))
				c.members(child(object(content), "schema"), nil, true, fmt.Sprintf("%s: %s as %s: ", op, status, media), note)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func parameterKey(op *operation, in, name string) string {
	return fmt.Sprintf("%s: %s %s", op, in, name)
}

// missing lists what is documented and has not been seen.
func (c *contract) missing() []string {
	return slices.DeleteFunc(c.documented(), func(key string) bool { return c.seen[key] })
}

func (c *contract) note(key string) { c.seen[key] = true }

func (c *contract) sawRequest(op *operation, x *exchange) {
	query, header := x.url.Query(), canonical(x.header)
	for _, p := range list(op.spec["parameters"]) {
		parameter := c.resolve(p)
		in, name := text(parameter["in"]), text(parameter["name"])
		if in == "path" || in == "query" && query.Has(name) || in == "header" && header.Get(name) != "" {
			c.note(parameterKey(op, in, name))
		}
	}
	media := mediaType(header.Get("Content-Type"))
	content, ok := child(c.resolve(op.spec["requestBody"]), "content")[media]
	if len(x.sent) == 0 || !ok {
		return
	}
	c.note(fmt.Sprintf("%s: sent as %s", op, media))
	c.members(child(object(content), "schema"), decode(media, x.sent), false, fmt.Sprintf("%s: sent as %s: ", op, media), c.note)
}

func (c *contract) sawResponse(op *operation, x *exchange) {
	status := responseOf(op, x.status)
	response, header := c.resolve(child(op.spec, "responses")[status]), canonical(x.answered)
	c.note(fmt.Sprintf("%s: %s", op, status))
	for name := range child(response, "headers") {
		if header.Get(name) != "" {
			c.note(fmt.Sprintf("%s: %s: header %s", op, status, name))
		}
	}
	media := mediaType(header.Get("Content-Type"))
	if content, ok := child(response, "content")[media]; ok {
		c.note(fmt.Sprintf("%s: %s as %s", op, status, media))
		c.members(child(object(content), "schema"), decode(media, x.received), false, fmt.Sprintf("%s: %s as %s: ", op, status, media), c.note)
	}
}

func mediaType(contentType string) string {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	return media
}

// decode returns a body as JSON has it, nil for one that has no members.
func decode(media string, body []byte) any {
	switch media {
	case "application/json":
		var value any
		if json.Unmarshal(body, &value) == nil {
			return value
		}
	case "application/x-www-form-urlencoded":
		if form, err := url.ParseQuery(string(body)); err == nil {
			value := node{}
			for name := range form {
				value[name] = form.Get(name)
			}
			return value
		}
	}
	return nil
}

// members visits the members that a schema knows: all of them, or those that a
// value has.
func (c *contract) members(schema, value any, all bool, at string, visit func(string)) {
	s := c.resolve(schema)
	for _, way := range []string{"oneOf", "anyOf", "allOf"} {
		for _, alternative := range list(s[way]) {
			if all || c.fits(alternative, value) {
				c.members(alternative, value, all, at, visit)
			}
		}
	}
	given := object(value)
	for name, inner := range child(s, "properties") {
		member, there := given[name]
		if all || there {
			visit(at + "." + name)
			c.members(inner, member, all, at+"."+name, visit)
		}
	}
	if items := s["items"]; items != nil {
		if all {
			c.members(items, nil, true, at+"[]", visit)
		}
		for _, item := range list(value) {
			c.members(items, item, false, at+"[]", visit)
		}
	}
}

// fits reports whether an alternative can be meant: it has the kind of the value
// and contradicts none of its constants.
func (c *contract) fits(alternative, value any) bool {
	s := c.resolve(alternative)
	kind := map[bool]string{true: "null", false: "object"}[value == nil]
	if text(s["type"]) != kind {
		return false
	}
	for name, inner := range child(s, "properties") {
		if want, ok := c.resolve(inner)["const"]; ok && fmt.Sprint(object(value)[name]) != fmt.Sprint(want) {
			return false
		}
	}
	return true
}

// webhookPath is where a delivery of an event stands in the contract.
func webhookPath(event string) string { return deliveries + strings.TrimSpace(event) }
