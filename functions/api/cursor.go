package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"loophub/events"
)

// cursor is where a page of a timeline ended. All members' indexes are in one
// order, so one place serves for all of them, also when members join or leave in
// between. It holds nothing secret and names nothing of another workspace: the
// token says where is read.
type cursor struct {
	Version int     `json:"v"`
	Before  Indexed `json:"p"`
	// Shown are records that may come again further down: they were named at
	// several times.
	Shown []shown `json:"s,omitempty"`
}

type shown struct {
	Record string `json:"r"` // its digest
	Until  int64  `json:"t"` // no place of it is older, Unix ms
}

const (
	cursorVersion = 1
	// maxShown bounds the cursor. Records with late facts are rare; beyond this many
	// on the way, one may be listed twice.
	maxShown  = 64
	maxRecord = 500 // bytes of a record's key
	maxMoment = 9_999_999_999_999
)

// pass notes that everything down to r is done.
func (c *cursor) pass(r Indexed) {
	c.Version, c.Before = cursorVersion, r
	c.Shown = slices.DeleteFunc(c.Shown, func(s shown) bool { return s.Until > r.At })
}

// show notes that a record is listed, if its facts leave room for an older place.
func (c *cursor) show(r Indexed, facts []events.Fact) {
	if until := earliest(facts); until < r.At {
		c.Shown = append(c.Shown, shown{digest(r.Record), until})
		if len(c.Shown) > maxShown {
			c.Shown = c.Shown[1:]
		}
	}
}

func (c *cursor) shown(r Indexed) bool {
	return len(c.Shown) > 0 && slices.ContainsFunc(c.Shown, func(s shown) bool { return s.Record == digest(r.Record) })
}

func digest(record string) string {
	d := sha256.Sum256([]byte(record))
	return events.Short(d[:])
}

// text writes the cursor; nil at the end of the list.
func (c cursor) text() *string {
	if c.Version == 0 {
		return nil
	}
	b, err := encode(c)
	if err != nil {
		panic(err) // numbers and texts always encode
	}
	return new(seal(b))
}

func seal(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

var errCursor = badRequest("the cursor is not valid; take next_cursor of the page before, or begin without one")

func parseCursor(text string) (cursor, error) {
	var c cursor
	if text == "" {
		return c, nil
	}
	if !open(text, &c) || c.Version != cursorVersion || len(c.Shown) > maxShown {
		return cursor{}, errCursor
	}
	r := c.Before
	if r.At < 0 || r.At > maxMoment || r.Record == "" || len(r.Record) > maxRecord || !utf8.ValidString(r.Record) || strings.ContainsRune(r.Record, 0) {
		return cursor{}, errCursor
	}
	return c, nil
}

// open reads what encode and base64 have written.
func open(text string, v any) bool {
	if len(text) > maxCursor {
		return false
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(v) == nil
}
