package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"loophub/shared/contact"
)

// perBatch is the most inputs of one call.
const perBatch = 100

type input struct {
	ID         string            `json:"id"`
	IDProperty string            `json:"idProperty"`
	Properties map[string]string `json:"properties"`
}

type batch struct {
	Inputs     []input  `json:"inputs"`
	Properties []string `json:"properties"`
	IDProperty string   `json:"idProperty"`
}

// open reads a batch, and what refuses it whole.
func (s *Simulator) open(body []byte) (batch, *answer) {
	var b batch
	bad := func(message string, details ...detail) (batch, *answer) {
		a := refusal(http.StatusBadRequest, "VALIDATION_ERROR", message, details...)
		return b, &a
	}
	if json.Unmarshal(body, &b) != nil || len(b.Inputs) == 0 {
		return bad("Invalid input JSON")
	}
	if len(b.Inputs) > perBatch {
		return bad(fmt.Sprintf("The maximum batch size is %d", perBatch))
	}
	seen := map[string]bool{}
	var lacking []detail
	for _, in := range b.Inputs {
		if seen[fold(in.ID)] {
			return bad("Duplicate IDs found in batch input")
		}
		seen[fold(in.ID)] = true
		for name, value := range in.Properties {
			d := missing(name)
			if !s.properties[name] && !slices.ContainsFunc(lacking, func(o detail) bool { return o.Message == d.Message }) {
				lacking = append(lacking, d)
			}
			if _, ok := contact.Email(value); name == "email" && !ok && value != "" {
				return bad("Property values were not valid", detail{"Email address " + value + " is invalid", "INVALID_EMAIL", map[string][]string{"propertyName": {"email"}}})
			}
		}
	}
	if len(lacking) > 0 {
		slices.SortFunc(lacking, func(a, b detail) int { return strings.Compare(a.Message, b.Message) })
		return bad("Property values were not valid", lacking...)
	}
	return b, nil
}

// outcome collects what became of a batch's inputs.
type outcome struct {
	results []map[string]any
	errors  []map[string]any
}

func (o *outcome) fail(id, category, message string) {
	o.errors = append(o.errors, map[string]any{"status": "error", "category": category, "message": message,
		"context": map[string][]string{"ids": {id}}, "links": map[string]string{}, "errors": []detail{}})
}

func (s *Simulator) finish(o outcome, f Fault) answer {
	if f.Empty {
		o = outcome{}
	}
	if o.results == nil {
		o.results = []map[string]any{}
	}
	slices.Reverse(o.results) // their order is not promised
	v := map[string]any{"status": "COMPLETE", "results": o.results, "startedAt": stamp(s.Now()), "completedAt": stamp(s.Now())}
	if len(o.errors) == 0 {
		return reply(http.StatusOK, v)
	}
	v["numErrors"], v["errors"] = len(o.errors), o.errors
	return reply(http.StatusMultiStatus, v)
}

func shown(c *Contact, properties map[string]string) map[string]any {
	return map[string]any{"id": c.ID, "properties": properties, "createdAt": stamp(c.Created), "updatedAt": stamp(c.Updated), "archived": false}
}

// app is the origin of what the API writes.
func (s *Simulator) app() origin { return origin{"INTEGRATION", s.App} }

// put writes an input's properties, and counts each.
func (s *Simulator) put(c *Contact, in input, key string) {
	for _, name := range sorted(in.Properties) {
		value := in.Properties[name]
		if name == "email" {
			value = fold(value)
		}
		if !(name == key && value == fold(in.ID)) { // the key names the contact; it is no write
			w := Write{c.ID, name, value, c.Properties[name] == value}
			s.writes, s.fresh.Writes = append(s.writes, w), append(s.fresh.Writes, w)
		}
		s.set(c, name, value, s.app())
	}
}

func sorted(m map[string]string) []string {
	var l []string
	for name := range m {
		l = append(l, name)
	}
	slices.Sort(l)
	return l
}

func (s *Simulator) upsert(body []byte, f Fault) answer {
	b, refused := s.open(body)
	if refused != nil {
		return *refused
	}
	var o outcome
	for _, in := range b.Inputs {
		if in.IDProperty != "email" {
			return refusal(http.StatusBadRequest, "VALIDATION_ERROR", "Unable to perform update/upsert by non-unique 0-1 property")
		}
		if _, ok := contact.Email(in.ID); !ok {
			return refusal(http.StatusBadRequest, "VALIDATION_ERROR", "Email address "+in.ID+" is invalid", detail{Message: "invalid", Code: "INVALID_EMAIL"})
		}
	}
	for _, in := range b.Inputs {
		if slices.ContainsFunc(f.Records, func(r string) bool { return fold(r) == fold(in.ID) }) {
			o.fail(in.ID, "VALIDATION_ERROR", "The contact "+in.ID+" was made to fail.")
			continue
		}
		c := s.byEmail(in.ID)
		made := c == nil
		if made {
			c = s.create(s.app())
			s.set(c, "email", in.ID, s.app())
		}
		s.put(c, in, "email")
		r := shown(c, in.Properties)
		r["new"] = made
		o.results = append(o.results, r)
	}
	return s.finish(o, f)
}

func (s *Simulator) update(body []byte, f Fault) answer {
	b, refused := s.open(body)
	if refused != nil {
		return *refused
	}
	var o outcome
	for _, in := range b.Inputs {
		c := s.contacts[in.ID]
		other := s.byEmail(in.Properties["email"])
		switch {
		case slices.Contains(f.Records, in.ID):
			o.fail(in.ID, "VALIDATION_ERROR", "The contact was made to fail.")
		case c == nil:
			o.fail(in.ID, "OBJECT_NOT_FOUND", "Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid.")
		case other != nil && other != c:
			o.fail(in.ID, "CONFLICT", "A contact with the email '"+in.Properties["email"]+"' already exists.")
		default:
			s.put(c, in, "")
			o.results = append(o.results, shown(c, in.Properties))
		}
	}
	return s.finish(o, f)
}

func (s *Simulator) read(body []byte, f Fault) answer {
	b, refused := s.open(body)
	if refused != nil {
		return *refused
	}
	var o outcome
	for _, in := range b.Inputs {
		c := s.contacts[in.ID]
		if b.IDProperty == "email" {
			c = s.byEmail(in.ID)
		}
		if c == nil {
			o.fail(in.ID, "OBJECT_NOT_FOUND", "Could not get some CONTACT objects, they may be deleted or not exist.")
			continue
		}
		properties := map[string]string{} // what is not set is left out
		for _, name := range b.Properties {
			if v := c.Properties[name]; v != "" {
				properties[name] = v
			}
		}
		o.results = append(o.results, shown(c, properties))
	}
	return s.finish(o, f)
}

func (s *Simulator) group(body []byte, _ Fault) answer {
	var g struct{ Name, Label string }
	if json.Unmarshal(body, &g) != nil || g.Name == "" || g.Label == "" {
		return refusal(http.StatusBadRequest, "VALIDATION_ERROR", "Invalid input JSON")
	}
	if s.groups[g.Name] {
		return refusal(http.StatusConflict, "OBJECT_ALREADY_EXISTS", "The property group "+g.Name+" already exists.")
	}
	s.groups[g.Name] = true
	s.fresh.Groups = append(s.fresh.Groups, g.Name)
	return reply(http.StatusCreated, map[string]any{"name": g.Name, "label": g.Label, "displayOrder": -1, "archived": false})
}

func (s *Simulator) property(body []byte, _ Fault) answer {
	var p struct{ Name, Label, Type, FieldType, GroupName string }
	if json.Unmarshal(body, &p) != nil || p.Name == "" || p.Label == "" || p.Type == "" || p.FieldType == "" || !s.groups[p.GroupName] {
		return refusal(http.StatusBadRequest, "VALIDATION_ERROR", "Invalid input JSON, or no such group")
	}
	if s.properties[p.Name] {
		return refusal(http.StatusConflict, "OBJECT_ALREADY_EXISTS", "A property named "+p.Name+" already exists.")
	}
	s.define(p.Name)
	return reply(http.StatusCreated, map[string]any{"name": p.Name, "label": p.Label, "type": p.Type, "fieldType": p.FieldType,
		"groupName": p.GroupName, "description": "", "options": []any{}})
}
