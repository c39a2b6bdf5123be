package form

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"
	"unicode/utf8"

	connector "loophub/connectors"

	"golang.org/x/text/encoding/charmap"
)

const (
	maxParts = 1_000    // of a multipart body
	maxValue = 64 << 10 // bytes of one part that is read
)

// given are the fields of a form, each with its values in their order.
type given map[string][]string

func (g given) first(name string) string {
	if v := g[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

var errKind = errors.New("the body is neither application/x-www-form-urlencoded nor multipart/form-data")

// parse reads the fields that a body holds. With an error it gives what it
// could read. Of files it keeps that there was one.
func parse(r connector.Request) (given, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return given{}, errKind
	}
	var fields given
	switch kind {
	case "application/x-www-form-urlencoded":
		values, failed := url.ParseQuery(string(r.Body))
		fields, err = given(values), failed
	case "multipart/form-data":
		fields, err = parts(r.Body, params["boundary"])
	default:
		return given{}, errKind
	}
	if err != nil {
		err = errors.New("a part of the form can't be read")
	}
	charset := fields.first("_charset_")
	if charset == "" {
		charset = params["charset"]
	}
	return decoded(fields, charset), err
}

func parts(body []byte, boundary string) (given, error) {
	fields := given{}
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	for range maxParts {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return fields, nil
		}
		if err != nil {
			return fields, err
		}
		name := part.FormName()
		if part.FileName() != "" {
			fields[name] = append(fields[name], "(file)")
			continue
		}
		value, err := io.ReadAll(io.LimitReader(part, maxValue))
		if err != nil {
			return fields, err
		}
		fields[name] = append(fields[name], string(value))
	}
	return fields, errors.New("too many parts")
}

// charsets are the single-byte encodings that old pages in our markets use. By
// the HTML standard a page that says ISO-8859-1 means windows-1252, which also
// is what undeclared text is read as.
var charsets = map[string]*charmap.Charmap{
	"": charmap.Windows1252, "utf-8": charmap.Windows1252, "iso-8859-1": charmap.Windows1252, "us-ascii": charmap.Windows1252,
	"windows-1252": charmap.Windows1252, "windows-1258": charmap.Windows1258, "windows-1250": charmap.Windows1250,
}

// decoded gives the fields in UTF-8. Text that is UTF-8 already is left alone,
// whatever it is declared as: scripts declare wrongly more often than texts of
// another encoding are UTF-8 by chance.
func decoded(fields given, charset string) given {
	table := charsets[strings.ToLower(strings.TrimSpace(charset))]
	if table == nil {
		table = charmap.Windows1252
	}
	utf := func(s string) string {
		if utf8.ValidString(s) {
			return s
		}
		text, err := table.NewDecoder().String(s)
		if err != nil {
			return strings.ToValidUTF8(s, "\ufffd")
		}
		return text
	}
	clean := make(given, len(fields))
	for name, values := range fields {
		for _, v := range values {
			clean[utf(name)] = append(clean[utf(name)], utf(v))
		}
	}
	return clean
}
