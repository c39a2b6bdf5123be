package conformance

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	connector "loophub/connectors"
	"loophub/shared/document"
)

const maxKey = 200

func (b *bench) keysName() {
	seen := map[string]string{}
	for _, f := range b.fixtures {
		object, delivery := b.source.Key(f.request)
		for _, part := range []string{object, delivery} {
			if wrong := unfit(part); wrong != "" {
				b.fail("%s: %q, a part of the key, %s", f.name, part, wrong)
			}
			for _, secret := range personal(f.request) {
				if strings.Contains(strings.ToLower(part), secret) {
					b.fail("%s: the key holds an address or a phone number", f.name)
				}
			}
		}
		key := object + "\n" + delivery
		if other, ok := seen[key]; ok {
			b.fail("%s and %s are two deliveries with one key", f.name, other)
		}
		seen[key] = f.name
	}
	for _, body := range hostileBodies(1 << 10) {
		r := clone(b.fixtures[0].request)
		r.Body = body.text
		for name := range r.Header {
			r.Header[name] = []string{"lan@example.vn#|~\n" + strings.Repeat("x", 1000)}
		}
		object, delivery := b.source.Key(r)
		for i, part := range []string{object, delivery} {
			wrong := unfit(part)
			if wrong == "" && strings.Contains(part, "@") {
				wrong = "holds an address"
			}
			if wrong != "" {
				what := []string{"object", "delivery"}[i]
				b.fail("a hostile request (%s): the key's %s %s; take an id only where it looks like one, else Digest", body.name, what, wrong)
			}
		}
	}
}

// unfit says why a text can't be a part of a key; "" = it can.
func unfit(part string) string {
	switch {
	case part == "":
		return "is empty"
	case len(part) > maxKey:
		return fmt.Sprintf("is longer than %d bytes", maxKey)
	case strings.ContainsAny(part, "#|~") || strings.ContainsFunc(part, unicode.IsControl):
		return "holds one of # | ~ or a control character"
	}
	return ""
}

// retriesKeepTheirKey: a retry is the same request a little later, perhaps by
// another way, which adds headers.
func (b *bench) retriesKeepTheirKey() {
	for _, f := range b.fixtures {
		r := clone(f.request)
		r.ReceivedAt = r.ReceivedAt.Add(time.Minute)
		r.Header.Set("X-Forwarded-For", "192.0.2.7")
		r.Header.Set("Date", "Sat, 21 Nov 2026 08:31:00 GMT")
		object, delivery := b.source.Key(f.request)
		object2, delivery2 := b.source.Key(r)
		if object != object2 || delivery != delivery2 {
			b.fail("%s: a minute later the key is another", f.name)
		}
	}
}

// keptHeadersSuffice: the Inbox keeps only the headers that the manifest names.
func (b *bench) keptHeadersSuffice() {
	for _, f := range b.fixtures {
		r := clone(f.request)
		for name := range r.Header {
			if !slices.Contains(b.manifest.Headers, name) {
				r.Header.Del(name)
			}
		}
		whole, err := b.decoded(f.request)
		kept, err2 := b.decoded(r)
		if err != nil || err2 != nil || whole != kept {
			b.fail("%s: with the headers that the manifest names alone, key or facts are others", f.name)
		}
	}
}

func (b *bench) decoded(r connector.Request) (string, error) {
	facts, faults := b.source.Decode(r)
	object, delivery := b.source.Key(r)
	return text(facts, faults) + object + "\n" + delivery, nil
}

// personal are the addresses and phone numbers of a request, in lower case.
func personal(r connector.Request) []string {
	var found []string
	for _, s := range leaves(r) {
		s = strings.ToLower(s)
		digits := strings.Map(func(c rune) rune {
			if c >= '0' && c <= '9' {
				return c
			}
			return -1
		}, s)
		phone := strings.Trim(s, "+0123456789 ().-") == "" && (strings.HasPrefix(s, "+") || strings.HasPrefix(s, "0")) && len(digits) >= 8
		switch {
		case strings.Contains(s, "@"):
			found = append(found, s)
		case phone:
			found = append(found, s, strings.TrimLeft(digits, "0"))
		}
	}
	return found
}

// leaves are all texts and numbers of a body.
func leaves(r connector.Request) []string {
	var found []string
	var walk func(document.Value)
	walk = func(v document.Value) {
		if s := v.Text(); s != "" {
			found = append(found, s)
		}
		for item := range v.Items() {
			walk(item)
		}
		for _, value := range v.Fields() {
			walk(value)
		}
	}
	if v, err := document.Parse(r.Body); err == nil {
		walk(v)
		return found
	}
	if !strings.Contains(r.Header.Get("Content-Type"), "multipart") {
		values, _ := url.ParseQuery(string(r.Body)) // what can't be read has no leaves
		for _, list := range values {
			found = append(found, list...)
		}
		return found
	}
	form := http.Request{Method: http.MethodPost, Header: r.Header, Body: body(r.Body)}
	if form.ParseMultipartForm(1<<20) == nil {
		for _, list := range form.MultipartForm.Value {
			found = append(found, list...)
		}
	}
	return found
}
