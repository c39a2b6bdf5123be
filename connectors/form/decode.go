package form

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/contact"
)

const (
	mapPattern     = `(email|phone|name|first_name|last_name|company|city|anonymous_id)=` + namePattern
	consentPattern = `[a-z]+:[a-z_]+=` + namePattern

	maxAnswers = 50
	maxAnswer  = 1_000 // bytes of one answer
	maxName    = 60    // bytes of a field's name
	maxLine    = 255
)

// known are the names by which forms commonly call what we have a field for.
// Dashes, spaces and case don't count.
var known = func() map[string]string {
	m := map[string]string{}
	for field, names := range map[string]string{
		"email":        "email e_mail mail your_email email_address contact[email] customer[email]",
		"phone":        "phone tel telephone mobile phone_number your_phone contact[phone] customer[phone] sdt so_dien_thoai dien_thoai",
		"name":         "name full_name fullname your_name contact[name] ho_ten hoten ho_va_ten",
		"first_name":   "first_name firstname fname given_name customer[first_name] ten",
		"last_name":    "last_name lastname lname family_name surname customer[last_name] ho",
		"company":      "company organization organisation company_name cong_ty",
		"city":         "city thanh_pho",
		"anonymous_id": "anonymous_id loophub_anonymous_id",
	} {
		for name := range strings.FieldsSeq(names) {
			m[name] = field
		}
	}
	return m
}()

// control are fields that speak to us and are no answers.
var control = map[string]bool{"key": true, "_next": true, "_charset_": true, "submission_id": true}

// Decode gives one fact for a submission. A submission whose honeypot is filled
// gives nothing, and no fault either: robots would fill the list of what is
// parked, and their post was answered as any other so that they learn nothing.
func (s source) Decode(r connector.Request) ([]events.Fact, []connector.Fault) {
	fields, err := parse(r)
	if err != nil && len(fields) == 0 {
		return nil, []connector.Fault{{Class: connector.Undecodable, Reason: "form: " + err.Error() + "; look at the form's enctype, or at the script that posts it"}}
	}
	if strings.TrimSpace(strings.Join(fields[s.honeypot], "")) != "" {
		return nil, nil
	}
	received := r.ReceivedAt.UnixMilli()
	d := draft{source: s, at: received, fields: events.Fields{}}
	if err != nil {
		d.fault(connector.Undecodable, err.Error()+"; what could be read was taken")
	}
	d.read(fields)
	if len(d.fields) == 0 {
		d.fault(connector.Incomplete, "the form holds no field that says anything")
		return nil, d.faults
	}
	d.context(r)
	return []events.Fact{{Kind: events.Form, Record: s.record(r), Version: received, At: received, Fields: d.fields}}, d.faults
}

// draft is the fact of a submission while it is read.
type draft struct {
	source
	at     int64
	fields events.Fields
	faults []connector.Fault
}

func (d *draft) fault(c connector.FaultClass, reason string) {
	d.faults = append(d.faults, connector.Fault{Class: c, Reason: "form: " + reason})
}

func (d *draft) put(field, text string) {
	if text != "" {
		d.fields[field] = events.Text(text)
	}
}

func (d *draft) read(fields given) {
	answers := 0
	full := ""
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if control[name] || name == d.honeypot {
			continue
		}
		if grants, ok := d.consents[name]; ok {
			for _, grant := range grants {
				if ticked(fields[name]) {
					d.put(d.said+grant, strconv.FormatInt(d.at, 10))
				}
			}
			continue
		}
		value := fields.first(name)
		switch field := d.meaning(name); field {
		case "":
			if answers++; answers <= maxAnswers {
				d.answer(name, fields[name])
			}
		case "name":
			full = value
		default:
			d.about(field, value)
		}
	}
	if answers > maxAnswers {
		d.fault(connector.InvalidValue, "more than "+strconv.Itoa(maxAnswers)+" fields; the others are left out")
	}
	d.named(full)
}

// meaning is the fact's field that a form's field fills, "" for an answer.
func (d *draft) meaning(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	if field, ok := d.source.fields[name]; ok {
		return field
	}
	return known[strings.NewReplacer("-", "_", " ", "_").Replace(name)]
}

// about puts what is known of the person. The first of several fields counts.
func (d *draft) about(field, value string) {
	if _, ok := d.fields[field]; ok {
		return
	}
	value = contact.Line(value, maxAnswer)
	switch field {
	case "email":
		if address, ok := contact.Email(value); ok {
			d.put("email", address)
		} else {
			d.put("email_invalid", contact.Line(value, maxLine))
		}
	case "phone":
		if number, ok := contact.Phone(value, d.country); ok {
			d.put("phone", number)
		} else {
			d.put("phone_invalid", contact.Line(value, maxLine))
		}
	case "anonymous_id":
		if len(value) > 100 || strings.ContainsAny(value, "@ |#") {
			d.fault(connector.InvalidValue, "anonymous_id is no id; it is left out")
			return
		}
		d.put("anonymous_id", value)
	case "first_name", "last_name":
		d.put(field, contact.Name(value))
	default:
		d.put(field, contact.Line(value, maxLine))
	}
}

// named splits a full name in the order of the shop's country, unless the form
// asked for the parts.
func (d *draft) named(full string) {
	_, first := d.fields["first_name"]
	_, last := d.fields["last_name"]
	if first || last {
		return
	}
	given, family := contact.Split(full, d.country)
	d.put("first_name", given)
	d.put("last_name", family)
}

func (d *draft) answer(name string, values []string) {
	label := contact.Line(strings.ReplaceAll(name, ":", "."), maxName)
	if label == "" {
		return
	}
	if _, taken := d.fields["answer:"+label]; taken || len(name) > maxName {
		label = contact.Line(label, maxName-9) + "~" + fingerprint(name)
	}
	var said []string
	size := 0
	for _, v := range values {
		if v = contact.Line(v, maxAnswer); v != "" && size <= maxAnswer {
			said = append(said, v)
			size += len(v) + 2
		}
	}
	d.put("answer:"+label, contact.Line(strings.Join(said, ", "), maxAnswer))
}

// ticked tells whether a box is: browsers send boxes that are not ticked not at
// all, scripts may send a word for it.
func ticked(values []string) bool {
	for _, v := range values {
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "", "0", "off", "no", "false", "null", "undefined":
		default:
			return true
		}
	}
	return false
}

// context puts which form it was, and where.
func (d *draft) context(r connector.Request) {
	name := d.form
	if name == "" {
		name = strings.Trim(strings.TrimPrefix(r.Rest, d.key), "/")
	}
	d.put("form", contact.Line(name, maxLine))
	if u, err := url.Parse(r.Header.Get("Referer")); err == nil && d.allowed(origin(r.Header.Get("Referer"))) {
		page := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
		if s := page.String(); len(s) <= maxAnswer {
			d.put("page", s)
		}
	}
}
