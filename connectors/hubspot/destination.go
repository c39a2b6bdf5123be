package hubspot

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	connector "loophub/connectors"
	"loophub/shared/fault"
)

const (
	upsertPath = "/crm/v3/objects/contacts/batch/upsert"
	updatePath = "/crm/v3/objects/contacts/batch/update"
	readPath   = "/crm/v3/objects/contacts/batch/read"
)

// key is the property by which contacts are sought.
const key = "email"

// destination writes contacts.
type destination struct{}

// Apply updates contacts whose id is known by it, so that a new e-mail address
// makes no second contact, and upserts the others by e-mail address.
func (destination) Apply(ctx context.Context, do connector.Doer, changes []connector.Change) []connector.Receipt {
	w := &writing{do: do, changes: changes, receipts: make([]connector.Receipt, len(changes))}
	for _, known := range []bool{true, false} {
		var rest []int
		for n, c := range changes {
			switch {
			case (c.Record != "") != known:
			case c.Record == "" && c.Match == "":
				w.fail(n, fault.New(fault.Permanent, "a contact without an e-mail address can't be found, nor made"))
			default:
				rest = append(rest, n)
			}
		}
		for len(rest) > 0 {
			var now []int
			now, rest = w.distinct(rest)
			w.send(ctx, now, known)
		}
	}
	return w.receipts
}

// writing is one Apply. Its groups are positions in changes.
type writing struct {
	do       connector.Doer
	changes  []connector.Change
	receipts []connector.Receipt
}

func (w *writing) fail(n int, err error) { w.receipts[n] = connector.Receipt{Err: err} }

// name is what HubSpot calls a change's contact in inputs, errors and results.
func (w *writing) name(n int) string {
	if w.changes[n].Record != "" {
		return w.changes[n].Record
	}
	return strings.ToLower(w.changes[n].Match)
}

// distinct takes what fits one call: an id that is there twice refuses it whole.
func (w *writing) distinct(l []int) (now, rest []int) {
	seen := map[string]bool{}
	for _, n := range l {
		if len(now) == batch || seen[w.name(n)] {
			rest = append(rest, n)
			continue
		}
		seen[w.name(n)] = true
		now = append(now, n)
	}
	return now, rest
}

type input struct {
	ID         string            `json:"id"`
	IDProperty string            `json:"idProperty,omitempty"`
	Properties map[string]string `json:"properties,omitempty"`
}

func (w *writing) inputs(group []int, known bool) []input {
	var l []input
	for _, n := range group {
		c := w.changes[n]
		if known {
			l = append(l, input{ID: c.Record, Properties: c.Fields})
			continue
		}
		properties := maps.Clone(c.Fields)
		if properties == nil {
			properties = map[string]string{}
		}
		properties[key] = c.Match // so that results say whose they are
		l = append(l, input{c.Match, key, properties})
	}
	return l
}

// send writes a group with one call. What refuses it whole is found by halves, so
// that one contact keeps no other from being written.
func (w *writing) send(ctx context.Context, group []int, known bool) {
	path := upsertPath
	if known {
		path = updatePath
	}
	a, err := call(ctx, w.do, path, map[string]any{"inputs": w.inputs(group, known)})
	switch {
	case err != nil:
		for _, n := range group {
			w.fail(n, err)
		}
	case a.status < 300:
		w.settle(group, a)
	default:
		w.refused(ctx, group, known, a)
	}
}

// settle reads who was written. The order of results is not promised.
func (w *writing) settle(group []int, a answer) {
	results := map[string]object{}
	for _, o := range a.Results {
		results[o.ID] = o
		if mail := o.Properties[key]; mail != nil {
			results[strings.ToLower(*mail)] = o
		}
	}
	problems := map[string]problem{}
	for _, p := range a.Errors {
		for _, id := range p.Context["ids"] {
			problems[strings.ToLower(id)] = p
		}
	}
	for _, n := range group {
		o, written := results[w.name(n)]
		p, failed := problems[w.name(n)]
		switch {
		case failed:
			w.fail(n, p.class())
		case written && o.ID != "":
			w.receipts[n] = connector.Receipt{Record: o.ID, New: o.New}
		default: // 200 with nothing in it has been seen
			w.fail(n, fault.New(fault.Transient, "HubSpot's reply says nothing of the contact"))
		}
	}
}

// refused deals with a call that was refused whole, and so wrote nothing.
func (w *writing) refused(ctx context.Context, group []int, known bool, a answer) {
	lacking := a.lacking()
	var rest []int
	for _, n := range group {
		i := slices.IndexFunc(lacking, func(p string) bool { _, has := w.changes[n].Fields[p]; return has })
		if i < 0 {
			rest = append(rest, n)
			continue
		}
		w.fail(n, fault.New(fault.Permanent, "HubSpot has no contact property %s: create it there, or take it out of the destination", lacking[i]))
	}
	switch {
	case len(rest) == 0:
	case len(rest) < len(group):
		w.send(ctx, rest, known)
	case len(group) == 1:
		w.fail(group[0], a.class())
	default:
		half := len(group) / 2
		w.send(ctx, group[:half], known)
		w.send(ctx, group[half:], known)
	}
}

// Find reads contacts by id, or by e-mail address where the id is not known.
func (destination) Find(ctx context.Context, do connector.Doer, keys []connector.Key, fields []string) ([]connector.Found, error) {
	found := make([]connector.Found, len(keys))
	properties := slices.Concat([]string{key}, fields)
	slices.Sort(properties)
	properties = slices.Compact(properties)
	for _, known := range []bool{true, false} {
		place := map[string][]int{}
		for n, k := range keys {
			if (k.Record != "") == known && k != (connector.Key{}) {
				name := k.Record
				if !known {
					name = strings.ToLower(k.Match)
				}
				place[name] = append(place[name], n)
			}
		}
		for ids := range slices.Chunk(slices.Sorted(maps.Keys(place)), batch) {
			a, err := read(ctx, do, ids, known, properties)
			if err != nil {
				return nil, err
			}
			for _, o := range a.Results {
				name := o.ID
				if mail := o.Properties[key]; !known && mail != nil {
					name = strings.ToLower(*mail)
				}
				for _, n := range place[name] {
					found[n] = o.found(fields)
				}
			}
		}
	}
	return found, nil
}

func read(ctx context.Context, do connector.Doer, ids []string, known bool, properties []string) (answer, error) {
	body := map[string]any{"properties": properties, "propertiesWithHistory": []string{}}
	var inputs []input
	for _, id := range ids {
		inputs = append(inputs, input{ID: id})
	}
	body["inputs"] = inputs
	if !known {
		body["idProperty"] = key
	}
	a, err := call(ctx, do, readPath, body)
	if err != nil {
		return a, err
	}
	if a.status >= 300 {
		return a, fmt.Errorf("finding contacts: %w", a.class())
	}
	for _, p := range a.Errors {
		if p.Category != notFound {
			return a, fmt.Errorf("finding contacts: %w", p.class())
		}
	}
	if len(a.Results) == 0 && len(a.Errors) == 0 { // who is not there is named in an error
		return a, fault.New(fault.Transient, "finding contacts: HubSpot's reply says nothing of any")
	}
	return a, nil
}

const (
	group        = "loophub"
	groupsPath   = "/crm/v3/properties/contacts/groups"
	propertyPath = "/crm/v3/properties/contacts"
)

// Prepare makes a group of properties and those of our own in it, as single-line
// texts. HubSpot's own properties, and the merchant's, are left to them.
func (destination) Prepare(ctx context.Context, do connector.Doer, fields []string) error {
	made := func(path string, body any) error {
		a, err := call(ctx, do, path, body)
		if err != nil || a.status < 300 || a.status == http.StatusConflict {
			return err
		}
		return a.class()
	}
	if err := made(groupsPath, map[string]any{"name": group, "label": "Loophub"}); err != nil {
		return fmt.Errorf("making the group of properties: %w", err)
	}
	for _, f := range fields {
		label, ours := strings.CutPrefix(f, group+"_")
		if !ours {
			continue
		}
		err := made(propertyPath, map[string]any{"name": f, "label": "Loophub: " + strings.ReplaceAll(label, "_", " "),
			"type": "string", "fieldType": "text", "groupName": group})
		if err != nil {
			return fmt.Errorf("making property %s: %w", f, err)
		}
	}
	return nil
}
